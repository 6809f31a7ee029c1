"""Metadata of HDR videos."""

import pytest
from av.sidedata.sidedata import Type
from video_files import Recipe, make_video, unchanged_derainer

from mmderain.apis import derain_video
from mmderain.io.video import VideoOptions
from mmderain.io.video import hdr as module
from mmderain.io.video.hdr import HdrMetadata, hdr_options, read_hdr
from mmderain.io.video.scan import scan_video

#: The display P3 with 0.0001 to 1000 candela per square meter.
PARAMETERS = 'master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400'
DISPLAY = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 0.0001, 1000)


@pytest.fixture
def source(tmp_path):
    options = {'x265-params': f'log-level=error:{PARAMETERS}', 'g': '4'}
    return make_video(tmp_path / 'a.mp4', Recipe('libx265', 'yuv420p10le', options=options))


@pytest.mark.parametrize('codec', ['hevc', 'av1'])
@pytest.mark.parametrize('name', ['o.mp4', 'o.mkv'])
def test_display_and_light_are_kept(source, tmp_path, codec, name):
    options = VideoOptions(codec=codec, segment_seconds=0.1)
    report = derain_video(unchanged_derainer(), source, tmp_path / name, options=options)
    before, after = scan_video(source).hdr, scan_video(report.path).hdr
    assert [float(value) for value in before.display] == pytest.approx(DISPLAY) and before.light == (1000, 400)
    # AV1 stores the colors in units of 1/65536, and the luminances in units of 1/16384 and 1/256.
    assert [float(value) for value in after.display] == pytest.approx(DISPLAY, abs=3e-5) and after.light == (1000, 400)
    assert report.notes == () and before.changing == ()


def test_codecs_that_cannot_keep_it_give_a_note(source, tmp_path):
    report = derain_video(unchanged_derainer(), source, tmp_path / 'o.mp4', options=VideoOptions(bit_depth=8))
    assert report.notes == (
        f'{source}: these HDR metadata are left out: mastering display and light level, which --codec hevc and --codec '
        'av1 keep',
    )
    assert scan_video(report.path).hdr == HdrMetadata()


class Data(bytes):
    """Side data of a frame."""

    def __new__(cls, kind, content=b''):
        made = super().__new__(cls, content)
        made.type = kind
        return made


class Frame:
    """A frame with side data."""

    def __init__(self, *side_data):
        self.side_data = side_data


def test_metadata_that_changes_gives_a_note(tmp_path, monkeypatch):
    found = read_hdr(Frame(Data(Type.DYNAMIC_HDR_PLUS), Data(Type.DOVI_METADATA), Data(Type.DOVI_RPU_BUFFER)))
    assert found == HdrMetadata(changing=('Dolby Vision', 'HDR10+'))
    monkeypatch.setattr('mmderain.io.video.scan.read_hdr', lambda frame: found)
    source = make_video(tmp_path / 'a.mp4')
    report = derain_video(unchanged_derainer(), source, tmp_path / 'o.mp4', options=VideoOptions(codec='hevc'))
    assert report.notes == (f'{source}: these HDR metadata are left out: Dolby Vision; HDR10+',)


def test_a_display_without_known_values_is_not_written():
    unknown = module.struct.pack('=22i', *[0, 1] * 10, 1, 0)
    found = read_hdr(Frame(Data(Type.MASTERING_DISPLAY_METADATA, unknown)))
    assert found == HdrMetadata() and hdr_options(found, 'hevc') == []
    assert hdr_options(HdrMetadata(light=(900, 0)), 'av1') == ['content-light=900,0']
    assert hdr_options(HdrMetadata(light=(900, 0)), 'vp9') is None
