# Image with mmderain, mmdet and mmseg. This file has not been built yet, so it is untested.
#   docker build -t mmderain .
#   docker run --rm -v .:/data mmderain derain /data/rainy.jpg --out /data/derained
FROM python:3.11-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential ffmpeg git libgl1 libglib2.0-0 make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /mmderain
COPY . .
RUN make full
ENV PATH=/mmderain/.venv/bin:$PATH
ENTRYPOINT ["mmderain"]
