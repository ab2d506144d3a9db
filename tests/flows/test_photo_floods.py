"""A flood of large photos: web processes do not decode them, so they go on answering."""

import contextlib
import io
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from listings.photos import processing
from tests.flows.test_asking_the_encoder import parent_of

PHOTO_COUNT = 20


def large_photo() -> bytes:
    """As many pixels as a stranger may send, in a small file."""
    buffer = io.BytesIO()
    Image.new("RGBA", (4000, 4000), "navy").save(buffer, "PNG")
    return buffer.getvalue()


def web_processes(master: int) -> list[Path]:
    return [folder for folder in Path("/proc").glob("[0-9]*") if parent_of(folder) == master]


def processor_s(processes: list[Path]) -> float:
    """Processor time of these processes, in seconds."""
    ticks = 0
    for folder in processes:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_kb(folder: Path) -> int:
    """The most memory that a process ever had."""
    lines = (folder / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def decoding_s(photo: bytes) -> float:
    """Processor time that decoding the photo takes in this process, in seconds."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    processing.receive(photo)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_web_processes_answer_a_flood_of_photos_without_the_work_or_memory_of_decoding(installation):
    installation.serve()
    photo = large_photo()
    for _ in range(4):  # each process has loaded what it needs
        installation.post_photo("/api/v1/search/", photo)
    webs = web_processes(installation.running[0].pid)
    spent_before, peaks_before = processor_s(webs), [peak_kb(web) for web in webs]
    with ThreadPoolExecutor(PHOTO_COUNT) as threads:
        flood = [
            threads.submit(installation.post_photo, "/api/v1/search/", photo) for _ in range(PHOTO_COUNT)
        ]
        alive_count = 0
        while not all(reply.done() for reply in flood):
            with contextlib.suppress(TimeoutError):
                assert installation.get("/livez")[0] == 200
                alive_count += 1
    assert {reply.result()[0] for reply in flood} <= {503, 429}
    assert alive_count > 0
    assert (processor_s(webs) - spent_before) / PHOTO_COUNT < decoding_s(photo) / 2
    pixels_kb = 4000 * 4000 * 4 / 1000
    assert all(peak_kb(web) - before < pixels_kb for web, before in zip(webs, peaks_before, strict=True))
