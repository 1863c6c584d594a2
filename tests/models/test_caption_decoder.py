"""The decoder of captions: taught all at once as step by step, beam search against trying all texts, and its memory."""

import itertools

import numpy as np
import pytest
import torch

from mmcli.models.beam_search import beam_search
from mmcli.models.caption_decoder import CaptionDecoder
from mmcli.models.caption_memory import CaptionMemory
from mmcli.models.pooling import build_pooling
from mmcli.registry import FUSIONS, parse_spec

PAD, BEGIN, END, UNKNOWN = range(4)
WIDTH = 16


def made(words=5, **options):
    torch.manual_seed(0)
    settings = {
        "width": WIDTH, "layers": 2, "heads": 4, "dropout": 0.0, "max_length": 6, "beam": 1, "length_penalty": 1.0,
        "pad": PAD, "begin": BEGIN, "end": END, "unsaid": (PAD, BEGIN, UNKNOWN),
    }  # fmt: skip
    decoder = CaptionDecoder(4 + words, **(settings | options)).eval()
    torch.nn.init.normal_(decoder.bias)
    return decoder


def memory(rows=3, steps=4, seed=1):
    torch.manual_seed(seed)
    own = torch.ones(rows, steps, dtype=torch.bool)
    own[0, 2:] = False
    return torch.randn(rows, steps, WIDTH), own


def log_probabilities(decoder, looked, tokens):
    """What the decoder says of the token behind the last of these, by teaching it a text with any token there."""
    taught = decoder.teach(looked, torch.tensor([[[*tokens, END]]]))
    return taught[-1].detach().clone()


def text_of(row):
    return [int(number) for number in row[1:].tolist() if number >= 0]


def row_of(looked, row):
    return looked[0][row : row + 1], looked[1][row : row + 1]


def test_every_token_is_taught_as_if_the_ones_before_it_were_all():
    decoder, looked = made(), memory(2)
    targets = torch.tensor([[[4, 5, 6, END, 0], [7, END, 0, 0, 0]], [[8, 4, 5, 6, END], [0, 0, 0, 0, 0]]])
    found = decoder.teach(looked, targets)
    assert found.shape == (4 + 2 + 5, 9)
    torch.testing.assert_close(found.exp().sum(dim=1), torch.ones(11))
    expected = []
    for row, texts in enumerate(targets.tolist()):
        for text in filter(any, texts):
            length = text.index(END) + 1
            expected += [log_probabilities(decoder, row_of(looked, row), text[:place]) for place in range(length)]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-5, atol=1e-5)


def test_padding_after_the_longest_text_changes_nothing():
    decoder, looked = made(), memory(1)
    short = torch.tensor([[[4, 5, END]]])
    long = torch.tensor([[[4, 5, END, 0, 0, 0], [0] * 6]])
    torch.testing.assert_close(decoder.teach(looked, short), decoder.teach(looked, long))


def test_many_texts_of_all_lengths_are_taught_in_their_order():
    decoder = made()
    random = np.random.default_rng(0)
    targets = torch.zeros(90, 2, 6, dtype=torch.long)
    for row, text in itertools.product(range(90), range(2)):
        length = random.integers(0 if text else 1, 6)
        if length:
            targets[row, text, :length] = torch.from_numpy(random.integers(4, 9, length))
            targets[row, text, length] = END
    looked = memory(90)
    parts = [decoder.teach(row_of(looked, row), targets[row : row + 1]) for row in range(90)]
    torch.testing.assert_close(decoder.teach(looked, targets), torch.cat(parts), rtol=1e-5, atol=1e-5)


def test_one_beam_takes_the_likeliest_token_each_time():
    decoder, looked = made(), memory(8)
    found = decoder(looked)
    for row in range(8):
        tokens, total, ended = [], 0.0, False
        while len(tokens) < 6 and not ended:
            scores = log_probabilities(decoder, row_of(looked, row), tokens)
            scores[[PAD, BEGIN, UNKNOWN]] = -torch.inf
            total, ended = total + float(scores.max()), int(scores.argmax()) == END
            tokens += [] if ended else [int(scores.argmax())]
        assert text_of(found[row]) == tokens
        assert found[row, 0].item() == pytest.approx(total / (len(tokens) + ended), rel=1e-4)
    assert len({tuple(text_of(row)) for row in found}) > 1, "else it looks at nothing"


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
def test_a_beam_that_holds_all_texts_finds_the_best_of_them(penalty):
    decoder, looked = made(2, max_length=3, beam=40, length_penalty=penalty), memory(3)
    found = decoder(looked)
    said = [4, 5]
    for row in range(3):
        ranked = []
        for length in range(4):
            for text in itertools.product(said, repeat=length):
                if length < 3:
                    text_scores = decoder.teach(row_of(looked, row), torch.tensor([[[*text, END]]]))
                    total = text_scores.gather(1, torch.tensor([[*text, END]]).T).sum().item()
                    ranked.append((total / (length + 1) ** penalty, text, total / (length + 1)))
                else:
                    text_scores = decoder.teach(row_of(looked, row), torch.tensor([[text]]))
                    total = text_scores.gather(1, torch.tensor([text]).T).sum().item()
                    ranked.append((total / length**penalty, text, total / length))
        _, text, mean = max(ranked)
        assert text_of(found[row]) == list(text)
        assert found[row, 0].item() == pytest.approx(mean, rel=1e-4)


def test_a_text_found_by_several_beams_has_the_score_that_it_is_taught_with():
    decoder, looked = made(beam=4, max_length=8), memory(12)
    decoder.bias.data[END] = -2.0
    with torch.no_grad():
        for layer in decoder.layers:
            layer.join.weight *= 4
        found = decoder(looked)
        for row in range(12):
            text = text_of(found[row])
            told = [*text, END] if len(text) < 8 else text
            taught = decoder.teach(row_of(looked, row), torch.tensor([[told]]))
            mean = taught.gather(1, torch.tensor([told]).T).mean()
            assert found[row, 0].item() == pytest.approx(mean.item(), abs=1e-5)


def test_more_length_penalty_gives_longer_texts():
    looked = memory(16)
    lengths = [
        sum(len(text_of(row)) for row in made(beam=4, length_penalty=penalty)(looked)) for penalty in (0.0, 1.0, 3.0)
    ]
    assert lengths[0] <= lengths[1] <= lengths[2]
    assert lengths[0] < lengths[2]


def test_beam_search_follows_what_is_not_likeliest_at_first():
    """After the likelier first token nothing is likely; the better text begins with the other."""
    table = {BEGIN: {4: 0.6, 5: 0.4}, 4: {END: 0.3, 4: 0.3, 5: 0.4}, 5: {END: 0.95, 4: 0.05}}
    scores = torch.full((6, 6), -torch.inf)
    for last, following in table.items():
        for token, share in following.items():
            scores[last, token] = np.log(share)

    def step(tokens, number, kept):
        return scores[tokens], []

    def search(beam):
        return beam_search(
            step, rows=1, beam=beam, begin=BEGIN, end=END, most=4, length_penalty=0.0, device=torch.device("cpu")
        )[0]

    assert text_of(search(2)) == [5]
    assert float(search(2)[0]) == pytest.approx(np.log(0.4 * 0.95) / 2)
    assert text_of(search(1)) == [4, 5]
    assert float(search(1)[0]) == pytest.approx(np.log(0.6 * 0.4 * 0.95) / 3)


def test_a_row_is_written_as_if_it_were_alone_and_the_same_each_time():
    decoder, looked = made(beam=3), memory(8)
    found = decoder(looked)
    assert torch.equal(found, decoder(looked))
    for row in range(8):
        alone = decoder(row_of(looked, row))[0]
        assert text_of(alone) == text_of(found[row])
        assert alone[0].item() == pytest.approx(found[row, 0].item(), rel=1e-5)
    torch.manual_seed(9)
    others = looked[0].clone()
    others[1:] = torch.randn_like(others[1:])
    assert torch.equal(decoder((others, looked[1]))[0], found[0])


def test_padding_of_the_steps_changes_nothing():
    decoder, (steps, own) = made(beam=2), memory()
    other = steps.clone()
    other[0, 2:] = 100.0
    assert torch.equal(decoder((steps, own)), decoder((other, own)))
    targets = torch.tensor([[[4, END]]] * 3)
    assert torch.equal(decoder.teach((steps, own), targets), decoder.teach((other, own), targets))
    other[0, 0] += 1
    assert not torch.equal(decoder((steps, own)), decoder((other, own)))


def test_a_text_may_be_as_long_as_it_may_be_written():
    decoder = made(max_length=3)
    decoder.bias.data[END] = -100.0
    found = decoder(memory())
    assert (found[:, 1:] >= 4).all()
    assert found.shape == (3, 4)
    assert decoder.teach(memory(1), torch.tensor([[[4, 5, 6, END]]])).shape == (4, 9)


# The memory.

IN_DIMS = {"clip": 3, "size": 2}


def memory_of(method="concat"):
    torch.manual_seed(0)
    return CaptionMemory(
        IN_DIMS, width=WIDTH, method=lambda in_dims: FUSIONS.build(parse_spec(method), in_dims=in_dims),
        pooling=lambda width: build_pooling("mean", width), sequences=["clip"],
    ).eval()  # fmt: skip


def features(gap=0.0):
    torch.manual_seed(0)
    clip = torch.randn(4, 5, 3)
    lengths = torch.tensor([5, 2, 0, 3])
    for row, length in enumerate(lengths):
        clip[row, length:] = gap
    present = {"clip": torch.tensor([True, True, False, False]), "size": torch.tensor([True, False, True, False])}
    size = torch.randn(4, 2)
    size[~present["size"]] = gap
    clip[~present["clip"]] = gap
    return {"clip": (clip, lengths), "size": size}, present


@pytest.mark.parametrize("method", ["concat", "gated:dim=8", "attention:dim=8", "cross_attention:dim=8"])
def test_the_memory_is_the_fused_vector_and_the_steps_of_each_modality(method):
    built = memory_of(method)
    tokens, own = built(*features())
    assert tokens.shape == (4, 1 + 5 + 1, WIDTH)
    assert own.int().tolist() == [
        [1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 0, 0],
    ]  # fmt: skip
    filled, same = built(*features(float("nan")))
    assert torch.equal(own, same)
    assert torch.equal(tokens[own], filled[own]), "what is absent or behind the end changes nothing"
    assert filled.isfinite().all()


def test_a_row_with_nothing_is_written_and_taught_all_the_same():
    built, decoder = memory_of(), made(beam=3)
    given, present = features(float("nan"))
    found = decoder(built(given, present))
    assert found.isfinite().all()
    loss = decoder.teach(built(given, present), torch.tensor([[[4, 5, END]]] * 4)).sum()
    loss.backward()
    gradients = {name: value.grad for name, value in [*built.named_parameters(), *decoder.named_parameters()]}
    assert all(value is not None and value.isfinite().all() for value in gradients.values())


def test_steps_in_another_order_are_another_memory():
    built = memory_of()
    given, present = features()
    tokens, own = built(given, present)
    turned, _ = built({**given, "clip": (given["clip"][0].flip(1), given["clip"][1])}, present)
    assert not torch.allclose(tokens[0, 1:6].flip(0), turned[0, 1:6])
    torch.testing.assert_close(tokens[0, 0], turned[0, 0], msg="their mean is the same")
    assert own.shape == (4, 7)


def test_a_method_says_what_it_weighs():
    assert memory_of("concat").modality_weights is None
    weights = memory_of("gated:dim=8").modality_weights(*features())
    assert weights.shape == (4, 2)
    assert weights[1, 0] > 0
    assert weights[1, 1] == 0
