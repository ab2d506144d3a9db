"""Photos are decoded by a process of its own, whose memory is limited and given back."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from PIL import Image

from listings.photos import decoder, decoder_process, processing
from listings.photos.decoder_process import DecoderBusy, PhotoDecoder, decode_apart
from listings.photos.processing import BadPhoto
from tests.listings.photos.encoding import encoded, frames, jpeg, picture

LARGE = encoded(Image.new("RGB", (4100, 3000)), "PNG")  # beyond LARGE_PIXELS


@pytest.fixture
def photo_decoder():
    started = PhotoDecoder()
    yield started
    started.close()


def pid_of(photo_decoder: PhotoDecoder) -> int:
    assert photo_decoder._running is not None
    return photo_decoder._running.pid


class TestDecoding:
    @pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
    def test_a_photo_is_received_as_by_this_process(self, photo_decoder, image_format):
        data = encoded(picture((1400, 900)), image_format)
        assert photo_decoder.decode(data) == processing.receive(data)

    def test_small_sizes_share_one_picture(self, photo_decoder):
        sizes = photo_decoder.decode(jpeg()).sizes
        assert len({id(picture) for picture in sizes.values()}) == 1

    def test_nothing_is_decoded_by_this_process(self, monkeypatch):
        monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it was opened"))
        assert decode_apart(jpeg()).width == 90

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (encoded(picture((400, 300)))[:-900], "cut short"),
            (encoded(picture(), "PNG", **frames()), "animated"),
            (b"no photo", "not a JPEG"),
        ],
        ids=["cut", "animated", "text"],
    )
    def test_a_bad_photo_is_refused_with_the_reason_and_the_next_is_decoded(
        self, photo_decoder, data, message
    ):
        with pytest.raises(BadPhoto, match=message):
            photo_decoder.decode(data)
        assert photo_decoder.decode(jpeg()).width == 90


class TestMemory:
    def test_a_decoder_keeps_its_process_for_small_photos(self, photo_decoder):
        photo_decoder.decode(jpeg())
        before = pid_of(photo_decoder)
        photo_decoder.decode(jpeg())
        assert pid_of(photo_decoder) == before

    def test_the_process_ends_after_a_large_photo_so_that_its_memory_goes_back(self, photo_decoder):
        photo_decoder.decode(jpeg())
        before = photo_decoder._running
        photo_decoder.decode(LARGE)
        assert before.returncode is not None
        assert pid_of(photo_decoder) != before.pid  # the next one is loading already

    def test_a_decoder_whose_process_ended_meanwhile_starts_another(self, photo_decoder):
        photo_decoder.decode(jpeg())
        photo_decoder._running.kill()
        photo_decoder._running.wait()
        assert photo_decoder.decode(jpeg()).width == 90

    def test_a_photo_that_takes_more_memory_than_the_limit_is_refused(self):
        limited = PhotoDecoder(memory_bytes=150_000_000)
        try:
            assert limited.decode(jpeg()).width == 90
            with pytest.raises(BadPhoto):
                limited.decode(encoded(Image.new("RGBA", (8000, 5000)), "PNG"))
            assert limited.decode(jpeg()).width == 90
        finally:
            limited.close()

    def test_the_process_gets_no_secret_of_the_installation(self, photo_decoder):
        photo_decoder.decode(jpeg())
        environment = Path(f"/proc/{pid_of(photo_decoder)}/environ").read_bytes()
        assert b"SECRET" not in environment and b"DATABASE" not in environment


class TestFailures:
    def test_a_crash_costs_one_photo(self, photo_decoder, monkeypatch):
        photo_decoder.decode(jpeg())
        send = decoder_process._send

        def crash(running, data: bytes) -> None:
            os.kill(running.pid, signal.SIGSEGV)
            send(running, data)

        monkeypatch.setattr(decoder_process, "_send", crash)
        with pytest.raises(BadPhoto, match="crash"):
            photo_decoder.decode(jpeg())
        monkeypatch.undo()
        assert photo_decoder.decode(jpeg()).width == 90

    def test_a_photo_that_takes_too_much_processor_time_is_refused(self, photo_decoder, monkeypatch):
        photo_decoder.decode(jpeg())
        send = decoder_process._send

        def out_of_time(running, data: bytes) -> None:
            os.kill(running.pid, signal.SIGPROF)  # as its timer does
            send(running, data)

        monkeypatch.setattr(decoder_process, "_send", out_of_time)
        with pytest.raises(BadPhoto, match="takes too long"):
            photo_decoder.decode(jpeg())

    def test_a_photo_is_refused_where_others_wait_already(self, photo_decoder, monkeypatch):
        asked, answer = Event(), Event()

        def wait(data: bytes) -> bytes:
            asked.set()
            answer.wait()
            return decoder.packed(processing.receive(data))

        monkeypatch.setattr(photo_decoder, "_ask", wait)
        with ThreadPoolExecutor(decoder_process.WAITING_COUNT) as threads:
            taken = [
                threads.submit(photo_decoder.decode, jpeg()) for _ in range(decoder_process.WAITING_COUNT)
            ]
            asked.wait()
            while photo_decoder._places._value:
                time.sleep(0.01)
            with pytest.raises(DecoderBusy):
                photo_decoder.decode(jpeg())
            answer.set()
        assert [photo.result().width for photo in taken] == [90] * len(taken)
        monkeypatch.undo()
        assert photo_decoder.decode(jpeg()).width == 90
