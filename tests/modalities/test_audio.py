import io
import struct

import av
import numpy as np
import pytest
import scipy.fft
import soundfile

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities.audio import Preprocessor
from mmcli.modalities.audio.log_mel import LogMel
from mmcli.modalities.audio.mfcc import Mfcc
from mmcli.modalities.audio.spectrogram import Spectrogram
from mmcli.modalities.files import MediaFolder
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, assemble

RATE = 16000


def tone(frequency, seconds=1.0, rate=RATE, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def noise(seconds=1.0, rate=RATE, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * rate))


def encode(samples, rate=RATE, form="WAV", subtype="PCM_16"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def encode_by_ffmpeg(samples, container, codec, rate, file=None, options=None):
    file = file or io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        whole = av.AudioFrame.from_ndarray(np.round(samples * 32767).astype(np.int16)[None], "s16", "mono")
        whole.sample_rate = rate
        size = stream.codec_context.frame_size or None
        resampler = av.AudioResampler(stream.format, "mono", rate, frame_size=size)
        for frame in [*resampler.resample(whole), *resampler.resample(None), None]:
            output.mux(stream.encode(frame))
    return file.getvalue() if isinstance(file, io.BytesIO) else file.read_bytes()


def decode(content, **options):
    return Preprocessor(("clip",), **options).decode(content)[""]


def problem(content, **options):
    with pytest.raises(UnusableError) as caught:
        Preprocessor(("clip",), **options).decode(content)
    return caught.value.status, caught.value.reason


def level(samples, frequency, rate=RATE):
    """The amplitude of one frequency, away from the edges."""
    middle = samples[len(samples) // 4 : len(samples) * 3 // 4].astype(np.float64) / 32768
    time = np.arange(len(middle)) / rate
    return 2 * abs(np.mean(middle * np.exp(-2j * np.pi * frequency * time)))


@pytest.mark.parametrize(
    ("form", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("AIFF", "PCM_16"), ("WAV", "FLOAT")]
)
def test_samples_at_the_same_rate_are_kept_exactly(form, subtype):
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    stored = samples if subtype == "PCM_16" else samples / 32768
    np.testing.assert_array_equal(decode(encode(stored, form=form, subtype=subtype)), samples)


def test_channels_are_averaged_and_loud_floats_clipped():
    left, right = np.full(100, 0.5), np.full(100, -0.25)
    assert (decode(encode(np.stack([left, right], 1))) == 4096).all()
    loud = decode(encode(np.array([2.0, -2.0, 0.5]), subtype="FLOAT"))
    assert loud.tolist() == [32767, -32768, 16384]


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_other_rates_are_resampled(rate):
    samples = decode(encode(tone(1000, rate=rate), rate))
    assert abs(len(samples) - RATE) <= 1
    assert level(samples, 1000) == pytest.approx(0.5, abs=0.005)


def test_resampling_lets_nothing_alias():
    samples = decode(encode(tone(11_000, rate=44100), 44100))
    assert np.abs(samples[500:-500].astype(int)).max() <= 2


@pytest.mark.parametrize(
    "content",
    [
        encode(tone(1000), form="MP3", subtype="MPEG_LAYER_III"),
        encode(tone(1000), form="OGG", subtype="VORBIS"),
        encode_by_ffmpeg(tone(1000), "ipod", "aac", RATE),
        encode_by_ffmpeg(tone(1000, rate=48000), "webm", "libopus", 48000),
        encode_by_ffmpeg(tone(1000), "wav", "adpcm_ms", RATE),
    ],
    ids=["mp3", "ogg", "m4a", "webm", "adpcm"],
)
def test_compressed_formats(content):
    samples = decode(content)
    assert abs(len(samples) - RATE) <= RATE * 0.1
    assert level(samples, 1000) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("form", ["WAV", "FLAC", "AIFF", "OGG", "AU", "CAF", "W64", "MP3", "m4a", "webm"])
def test_truncated_files_are_corrupt_wherever_they_end(form, tmp_path):
    if form == "m4a":
        path = tmp_path / "a.m4a"
        content = encode_by_ffmpeg(noise(2), "ipod", "aac", RATE, path, {"movflags": "faststart"})
    elif form == "webm":
        content = encode_by_ffmpeg(noise(2, 48000), "webm", "libopus", 48000)
    else:
        subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(form, "PCM_16")
        content = encode(noise(2), form=form, subtype=subtype)
    assert len(decode(content)) == pytest.approx(2 * RATE, rel=0.1)
    for share in (0.2, 0.5, 0.8):
        status, reason = problem(content[: int(len(content) * share)])
        assert status == "corrupt"
        assert "truncated" in reason or "damaged" in reason
    if form == "WAV":
        assert problem(content[:-2]) == ("corrupt", "truncated WAV")


def test_a_wav_written_to_a_pipe_has_no_size_and_is_whole():
    content = bytearray(encode(tone(440)))
    content[40:44] = b"\xff\xff\xff\xff"
    assert len(decode(bytes(content))) == RATE


def test_what_is_no_sound_is_said_so_and_playlists_are_not_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wav").write_bytes(encode(tone(440)))
    playlists = [
        f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{tmp_path}/a.wav\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile a.wav\n",
    ]
    for content in (b"hello", bytes(500), *(text.encode() for text in playlists)):
        assert problem(content) == ("corrupt", "not audio")
    silent_film = io.BytesIO()
    with av.open(silent_film, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        output.mux(stream.encode(frame) + stream.encode(None))
    assert problem(silent_film.getvalue()) == ("corrupt", "no sound in it")


def test_empty_and_infinite_sounds_are_corrupt():
    assert problem(encode(np.zeros(0))) == ("corrupt", "0 audio samples")
    for value in (np.nan, np.inf):
        samples = np.array([0.0, value, 0.0])
        assert problem(encode(samples, subtype="FLOAT")) == ("corrupt", "NaN or infinite samples")


def test_no_more_is_decoded_than_needed():
    content = encode(noise(20), form="FLAC")
    # the end is missing, and that does not matter for the first seconds
    start = decode(content[: len(content) // 2], max_seconds=2)
    np.testing.assert_array_equal(start, decode(content, max_seconds=20)[: 2 * RATE])
    film = encode_by_ffmpeg(tone(440, 20), "ipod", "aac", RATE)
    assert len(decode(film, max_seconds=0.5)) == RATE // 2
    assert len(decode(encode(noise(5)), max_seconds=5, trim=True, max_decode_seconds=3)) == 3 * RATE


def test_where_decoding_stops_is_not_heard():
    content = encode(noise(6, 44100), 44100)
    for options in ({}, {"low_pass": 3000.0}, {"high_pass": 100.0}):
        whole = decode(content, max_seconds=6, **options)[: 2 * RATE]
        assert abs(decode(content, max_seconds=2, **options).astype(int) - whole).max() <= 1


def test_a_lying_header_costs_nothing():
    content = bytearray(encode(noise(0.1), form="FLAC"))
    content[21:26] = bytes([content[21] | 0x0F, 0xFF, 0xFF, 0xFF, 0xFF])  # 2^36 samples
    assert problem(bytes(content))[0] == "corrupt"
    rate = bytearray(encode(noise(0.1)))
    rate[24:28] = struct.pack("<I", 2_000_000_000)
    assert problem(bytes(rate)) == ("corrupt", "damaged audio: a sample rate of 2000000000 Hz")


def test_trim_cuts_silence_at_both_ends_alone():
    hush = 0.004 * np.ones(3000)  # -42 dB of the peak
    sound = np.concatenate([hush, [0.5], np.zeros(2000), [-0.3], hush])
    trimmed = decode(encode(sound), trim=True)
    assert len(trimmed) == 2002
    assert trimmed[0] == 16384
    assert len(decode(encode(np.zeros(500)), trim=True)) == 500


def test_filters_keep_what_they_should():
    both = encode(tone(100, 2, amplitude=0.3) + tone(3000, 2, amplitude=0.3))
    for options, low, high in (
        ({"high_pass": 1000.0}, 0, 0.3), ({"low_pass": 1000.0}, 0.3, 0),
        ({"high_pass": 50.0, "low_pass": 200.0}, 0.3, 0),
    ):  # fmt: skip
        samples = decode(both, **options)
        assert level(samples, 100) == pytest.approx(low, abs=0.01)
        assert level(samples, 3000) == pytest.approx(high, abs=0.01)
    for length in (1, 2, 5):
        assert len(decode(encode(np.ones(length) / 2), low_pass=1000.0)) == length


def test_normalize():
    content = encode(tone(440, amplitude=0.2))
    assert abs(decode(content, normalize="peak").astype(int)).max() in (32767, 32768)
    loudness = np.sqrt(np.mean((decode(content, normalize="rms") / 32768.0) ** 2))
    assert loudness == pytest.approx(0.1, rel=0.01)
    for how in ("peak", "rms"):
        assert (decode(encode(np.zeros(10)), normalize=how) == 0).all()


def test_form_facts_and_config(tmp_path):
    preprocessor = Preprocessor(("clip",), sample_rate=8000, max_seconds=1.5)
    assert preprocessor.fields() == {"": FieldSpec("ragged", "int16", (), "S", 12000)}
    assert preprocessor.facts() == {"sample_rate": 8000}
    assert Preprocessor(**preprocessor.config() | {"columns": ("clip",)}).config() == preprocessor.config()
    assert len(decode(encode(tone(440, 3)), sample_rate=8000, max_seconds=1.5)) == 12000
    (tmp_path / "a.wav").write_bytes(encode(tone(440)))
    assert preprocessor.content({"clip": "a.wav"}, MediaFolder(str(tmp_path))) == encode(tone(440))
    assert preprocessor.content({"clip": None}, MediaFolder(str(tmp_path))) is None


def test_impossible_options_are_refused():
    for options in (
        {"sample_rate": 0}, {"max_seconds": 0.0}, {"high_pass": 8000.0}, {"low_pass": -1.0},
        {"high_pass": 500.0, "low_pass": 400.0}, {"max_decode_seconds": 0.0},
    ):  # fmt: skip
        with pytest.raises(MmcliError, match=r"expected|must be"):
            Preprocessor(("clip",), **options)


def audio_spec(rate=RATE):
    form = FieldSpec("ragged", "int16", (), "S", 10 * rate)
    return ModalitySpec("audio", "clip", None, "", {"": form}, facts={"sample_rate": rate})


def column(sounds):
    count = len(sounds)
    field = assemble(audio_spec().main, [np.asarray(sound, np.int16) for sound in sounds])
    return Column({"": field}, np.ones(count, bool), np.zeros((count, 16), np.uint8))


def features(extractor, sounds, jobs=1):
    found = extractor.extract(audio_spec(), column(sounds), Runtime(jobs=jobs))
    form = extractor.output(audio_spec())
    items = [found.item(row) for row in range(len(sounds))]
    for item in items:
        assert item.dtype == np.float32
        assert (item.shape if form.layout == "dense" else item.shape[1:]) == form.dims
        assert np.isfinite(item).all()
    return items


def sounds():
    return [(noise(seconds, seed=seed) * 30000).astype(np.int16) for seed, seconds in enumerate((0.5, 0.03, 1.2, 0.5))]


def power_spectra(samples, n_fft, hop_length):
    """(T, n_fft // 2 + 1), by definition: centred frames, a periodic Hann window, a Fourier transform."""
    padded = np.pad(samples / 32768, n_fft // 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    starts = range(0, len(samples) + 1, hop_length)
    frames = [padded[start : start + n_fft] for start in starts if start + n_fft <= len(padded)]
    return np.abs(np.fft.rfft(np.array(frames) * window)) ** 2


def mel_bands(n_mels, n_fft, low, high):
    """Triangles on the mel scale, (n_fft // 2 + 1, n_mels)."""
    edges = np.linspace(2595 * np.log10(1 + low / 700), 2595 * np.log10(1 + high / 700), n_mels + 2)
    edges = 700 * (10 ** (edges / 2595) - 1)
    frequencies = np.linspace(0, RATE / 2, n_fft // 2 + 1)[:, None]
    up = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(up, down))


def decibels(power):
    loudness = 10 * np.log10(np.maximum(power, 1e-10))
    return np.maximum(loudness, loudness.max() - 80)


def test_spectrogram_is_what_the_definition_gives():
    for sound in sounds():
        power = power_spectra(sound, 400, 160)
        (found,) = features(Spectrogram(pool="none"), [sound])
        np.testing.assert_allclose(found, decibels(power), atol=0.02)
        (linear,) = features(Spectrogram(pool="none", power=1.0, decibels=False), [sound])
        np.testing.assert_allclose(linear, np.sqrt(power), rtol=1e-3, atol=1e-4)
        (amplitude,) = features(Spectrogram(pool="none", power=1.0), [sound])
        np.testing.assert_allclose(amplitude, found, atol=0.02)


def test_log_mel_is_what_the_definition_gives():
    options = {"n_mels": 30, "n_fft": 512, "hop_length": 200, "f_min": 50.0, "f_max": 7000.0}
    for sound in sounds():
        expected = decibels(power_spectra(sound, 512, 200) @ mel_bands(30, 512, 50, 7000))
        (found,) = features(LogMel(pool="none", **options), [sound])
        np.testing.assert_allclose(found, expected, atol=0.01)


def test_mfcc_is_what_the_definition_gives():
    for sound in sounds():
        bands = decibels(power_spectra(sound, 400, 160) @ mel_bands(40, 400, 0, 8000))
        expected = scipy.fft.dct(bands, type=2, norm="ortho", axis=1)[:, :20]
        (found,) = features(Mfcc(pool="none"), [sound])
        np.testing.assert_allclose(found, expected, atol=0.05)
        steps = np.pad(expected, ((2, 2), (0, 0)), mode="edge")
        slope = sum(n * (steps[2 + n :][: len(found)] - steps[2 - n :][: len(found)]) for n in (1, 2)) / 10
        (both,) = features(Mfcc(pool="none", deltas=True), [sound])
        np.testing.assert_allclose(both, np.hstack([expected, slope]), atol=0.05)


def test_statistics_are_those_of_the_frames():
    for sound in sounds():
        (frames,) = features(LogMel(pool="none"), [sound])
        (found,) = features(LogMel(pool="stats"), [sound])
        expected = np.concatenate([frames.mean(0), frames.std(0), frames.max(0)])
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    (frames,) = features(Mfcc(pool="none"), [sound])
    (found,) = features(Mfcc(pool="stats", segments=3), [sound])
    assert len(frames) == 51
    for part, values in enumerate(found.reshape(3, 3, 20)):
        inside = frames[part * 17 : part * 17 + 17]
        np.testing.assert_allclose(values, [inside.mean(0), inside.std(0), inside.max(0)], rtol=1e-4, atol=1e-4)


EXTRACTORS = [
    Mfcc(), Mfcc(pool="none", deltas=True), Mfcc(deltas=True), LogMel(), LogMel(pool="none"), Spectrogram(),
    Spectrogram(pool="none"),
]  # fmt: skip


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_one_sample_is_enough_and_none_is_an_error(extractor):
    (item,) = features(extractor, [[12345]])
    if extractor.pool == "none":
        assert len(item) == 1
    else:
        segments = getattr(extractor, "segments", 1)
        mean, deviation, highest = item.reshape(segments, 3, -1).swapaxes(0, 1)
        assert (deviation == 0).all()
        np.testing.assert_array_equal(mean, highest)
    assert features(extractor, [np.zeros(4000)])[0].std() < 200
    with pytest.raises(MmcliError, match="0 samples"):
        features(extractor, [[5, 5, 5], []])


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_rows_do_not_depend_on_each_other_or_on_the_workers(extractor):
    quiet, loud = noise(0.4, seed=7) * 20, noise(0.8, seed=8) * 60000
    mixed = [quiet, loud, *sounds()]
    alone = [features(extractor, [sound])[0] for sound in mixed]
    for jobs in (1, 3):
        for one, together in zip(alone, features(extractor, mixed, jobs), strict=True):
            np.testing.assert_array_equal(one, together)


def test_sequences_are_no_longer_than_their_bound():
    form = LogMel(pool="none").output(audio_spec())
    (frames,) = features(LogMel(pool="none"), [np.ones(10 * RATE)])
    assert len(frames) == form.bound == 1001


def test_features_refuse_what_cannot_be():
    for make in (
        lambda: Mfcc(n_mfcc=41), lambda: Mfcc(n_mfcc=0), lambda: Mfcc(segments=0), lambda: LogMel(hop_length=0),
        lambda: LogMel(f_min=300.0, f_max=200.0), lambda: Spectrogram(n_fft=1), lambda: Spectrogram(power=0.0),
    ):  # fmt: skip
        with pytest.raises(MmcliError, match="expected"):
            make()
    with pytest.raises(MmcliError, match="4000 Hz, half the sample rate"):
        LogMel(f_max=5000.0).output(audio_spec(8000))
