import numpy as np
import pytest
import scipy.fft

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities.audio import Preprocessor
from mmcli.modalities.audio.log_mel import LogMel
from mmcli.modalities.audio.mfcc import Mfcc
from mmcli.modalities.audio.spectrogram import Spectrogram
from mmcli.modalities.files import MediaFolder
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, assemble
from tests.forms.tones import RATE, encode, encode_by_ffmpeg, level, noise, tone


def decode(content, **options):
    return Preprocessor(("clip",), **options).decode(content)[""]


def problem(content, **options):
    with pytest.raises(UnusableError) as caught:
        Preprocessor(("clip",), **options).decode(content)
    return caught.value.status, caught.value.reason


@pytest.mark.parametrize(
    ("form", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("AIFF", "PCM_16"), ("WAV", "FLOAT")]
)
def test_samples_at_the_same_rate_are_kept_exactly(form, subtype):
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    stored = samples if subtype == "PCM_16" else samples / 32768
    np.testing.assert_array_equal(decode(encode(stored, form=form, subtype=subtype)), samples)


def test_playlists_are_not_followed_to_files_beside_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wav").write_bytes(encode(tone(440)))
    assert problem(b"ffconcat version 1.0\nfile a.wav\n") == ("corrupt", "not audio")


def test_no_more_is_decoded_than_needed():
    content = encode(noise(20), form="FLAC")
    # the end is missing, and that does not matter for the first seconds
    start = decode(content[: len(content) // 2], max_seconds=2)
    np.testing.assert_array_equal(start, decode(content, max_seconds=20)[: 2 * RATE])
    film = encode_by_ffmpeg(tone(440, 20), "ipod", "aac", RATE)
    assert len(decode(film, max_seconds=0.5)) == RATE // 2
    assert len(decode(encode(noise(5)), max_seconds=3, trim=True, max_decode_seconds=3)) == 3 * RATE


def test_where_decoding_stops_is_not_heard():
    content = encode(noise(6, 44100), 44100)
    for options in ({}, {"low_pass": 3000.0}, {"high_pass": 100.0}):
        whole = decode(content, max_seconds=6, **options)[: 2 * RATE]
        assert abs(decode(content, max_seconds=2, **options).astype(int) - whole).max() <= 1


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
        {"high_pass": 500.0, "low_pass": 400.0}, {"max_decode_seconds": 9.0},
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
