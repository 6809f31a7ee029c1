"""Derain WebDataset shards: tar archives of images, with labels and other files between them."""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmderain.errors import InputError
from mmderain.io.image import IMAGE_SUFFIXES
from mmderain.io.remote import RemotePath, parse_place
from mmderain.io.tar_shards import Member, ShardWriter, expand_shards, open_shard, read_members, write_shard

from .pipeline import Pipeline
from .results import BrokenDeviceError, InputResult
from .shards import Shard
from .sources import Source
from .targets import check_existing, is_kept, require_folder


@dataclass
class TarShard:
    """A shard to derain.

    Attributes:
        source: path of the shard.
        target: path of the derained shard, which has the same name.
    """

    source: Path | RemotePath
    target: Path | RemotePath


class TarPlan:
    """The shards of a call.

    Args:
        inputs: paths or URLs of shards, or patterns such as ``'shards/{000..099}.tar'``.
        out_dir: folder or URL for the derained shards.
        existing: what to do if a derained shard already exists, as in :class:`~mmderain.apis.plan.Plan`.
        shard: the part of the shards to derain. None derains all.
        finished: paths of shards that a log names as complete. With ``existing='skip'``, they are left out.

    Attributes:
        num_finished: number of shards that were left out because of ``finished``.
        shards: the others.

    Raises:
        InputError: there is no ``out_dir``, or ``out_dir`` is read only or a file. Also raised if two shards have the
            same name, if a shard is named twice or would overwrite itself, or if a pattern is malformed.
    """

    def __init__(
        self,
        inputs: Sequence[str | Path],
        out_dir: str | Path | None,
        existing: str = 'refuse',
        shard: Shard | None = None,
        finished: Collection[str] = (),
    ) -> None:
        check_existing(existing)
        if out_dir is None:
            raise InputError(f'{inputs[0]}: derained shards must be written to a folder; set out_dir')
        out = parse_place(out_dir)
        require_folder(out)
        self.existing, self.num_finished, self.shards = existing, 0, list[TarShard]()
        owners: dict[str, str] = {}
        for text in (text for item in inputs for text in expand_shards(str(item))):
            source = parse_place(text)
            target = out / source.name
            if (owner := owners.get(source.name)) is not None:
                if owner == text:
                    raise InputError(f'{text}: is named twice; name each shard once')
                raise InputError(f'{owner} and {text}: both would be written to {target}; derain them in two calls')
            owners[source.name] = text
            if str(target) == str(source) or (isinstance(source, Path) and _is_same(source, target)):
                raise InputError(f'{text}: its result would overwrite the input; name another output folder')
            if shard is not None and not shard.contains(source.name):
                continue
            if existing == 'skip' and str(target) in finished:
                self.num_finished += 1
                continue
            self.shards.append(TarShard(source, target))

    def is_done(self, shard: TarShard) -> bool:
        """Return whether a shard is skipped, because the derained shard already exists.

        Raises:
            InputError: the derained shard exists and must not be replaced, or the server cannot be asked.
        """
        return self.existing != 'replace' and shard.target.exists() and is_kept(shard.target, self.existing)

    def sources(self) -> Iterator[Source]:
        """Yield each shard as a source, which can be checked but not loaded."""
        for shard in self.shards:
            yield Source(
                str(shard.source),
                shard.source,
                target=shard.target,
                check_target=lambda _, shard=shard: self.is_done(shard),  # type: ignore[misc]
            )

    def count(self) -> None:
        """Return None, because the number of images in the shards is unknown."""


def shard_input_names(inputs: Sequence[str | Path]) -> Iterator[tuple[str, str]]:
    """Yield the names of the results of :func:`derain_shards`, each with the name of its shard.

    These are the names of the images in the shards, and the names of damaged shards.

    Args:
        inputs: paths, URLs or patterns of shards, as in :class:`TarPlan`.

    Raises:
        InputError: a shard does not exist or cannot be read, or a pattern is malformed.
    """
    for text in (text for item in inputs for text in expand_shards(str(item))):
        source = parse_place(text)
        with open_shard(source) as file:
            for member in read_members(file, text, with_content=False):
                if member.problem is not None:
                    yield str(source), str(source)
                elif member.is_image:
                    yield f'{source}/{member.name}', str(source)


def derain_shards(pipeline: Pipeline, plan: TarPlan) -> Iterator[InputResult]:
    """Derain shards, and yield the results of their images.

    The results of a shard are yielded when the derained shard is complete. If the pipeline is stopped, the current
    shard is not written.
    """
    for shard in plan.shards:
        if pipeline.stop.is_set():
            return
        try:
            is_done = plan.is_done(shard)
        except InputError as error:
            yield InputResult.of_error(str(shard.source), error)
            continue
        if is_done:
            yield InputResult(str(shard.source), shard.target, skipped=True)
            continue
        yield from shard_results(pipeline, shard)


def shard_results(pipeline: Pipeline, shard: TarShard) -> list[InputResult]:
    """Derain one shard, and return the results of its images, or a result with the error of the shard.

    If the pipeline is stopped, the list is empty.

    Raises:
        BrokenDeviceError: the GPU cannot be used any more.
    """
    try:
        return derain_shard(pipeline, shard)
    except _StoppedShard:
        return []
    except BrokenDeviceError:
        raise
    except InputError as error:
        return [InputResult.of_error(str(shard.source), error)]
    except Exception as error:  # the libraries of servers raise any exception
        text = f'{shard.source}: cannot be derained ({type(error).__name__}: {error})'
        failure = InputError(text.partition('\n')[0])
        failure.__cause__ = error  # for --traceback
        return [InputResult.of_error(str(shard.source), failure)]


class _StoppedShard(Exception):
    """The pipeline was stopped before it derained all images of a shard."""


def derain_shard(pipeline: Pipeline, shard: TarShard) -> list[InputResult]:
    """Derain one shard, and return the results of its images.

    The derained shard contains the members of the shard in the same order and with the same names. The content of the
    images is replaced. Images that cannot be derained are left out. If the shard is damaged, its members up to the
    damage are derained, and the last result contains the error.

    Raises:
        InputError: the shard cannot be read at all, contains no image, or cannot be written.
        Exception: the connection to a server is lost. Then no derained shard is written.
    """
    results: list[InputResult] = []
    with open_shard(shard.source) as file, write_shard(shard.target) as writer:
        sources = _MemberSources(shard, read_members(file, str(shard.source)), writer)
        for result in pipeline.run(sources):
            results.append(result)
            for member in sources.take_up_to_image():
                writer.add(member)
            image = sources.pending.popleft()
            if result.error is None:
                writer.add(image)
        for member in sources.take_up_to_image():
            writer.add(member)
        if sources.pending or not sources.is_exhausted:
            raise _StoppedShard
        if all(result.name == str(shard.source) for result in results):
            raise (results[0].error if results else None) or InputError(
                f'{shard.source}: contains no image; expected members of the types {", ".join(IMAGE_SUFFIXES)}, found '
                f'{", ".join(sorted(sources.other_types)) or "no member"}'
            )
    return results


class _MemberSources:
    """Iterator over the images of a shard, which keeps the members that are not yet in the derained shard.

    Args:
        shard: the shard.
        members: its members.
        writer: the derained shard. A member is written at once, unless ``pending`` contains an image.

    Attributes:
        pending: members that were read and are not yet in the derained shard, in their order.
        other_types: types of the members that are not images, up to 20 of them.
        is_exhausted: whether all members were read.
    """

    def __init__(self, shard: TarShard, members: Iterator[Member], writer: ShardWriter) -> None:
        self.shard, self.members, self.writer = shard, members, writer
        self.pending: deque[Member] = deque()
        self.other_types: set[str] = set()
        self.is_exhausted = False

    def __iter__(self) -> Iterator[Source]:
        for member in self.members:
            if member.is_image or member.problem is not None:
                self.pending.append(member)
                name = f'{self.shard.source}/{member.name}' if member.name else str(self.shard.source)
                yield Source(name, member, target=self.shard.target, problem=member.problem)
                continue
            if len(self.other_types) < 20:
                self.other_types.add(member.suffix)
            if self.pending:
                self.pending.append(member)
            else:
                self.writer.add(member)
        self.is_exhausted = True

    def take_up_to_image(self) -> Iterator[Member]:
        """Remove and yield the pending members in front of the next source."""
        while self.pending and not (self.pending[0].is_image or self.pending[0].problem is not None):
            yield self.pending.popleft()


def _is_same(source: Path, target: Path | RemotePath) -> bool:
    return isinstance(target, Path) and source.exists() and target.exists() and source.samefile(target)
