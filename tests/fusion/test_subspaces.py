"""Methods that learn a subspace from train rows, against SciPy, scikit-learn and their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA

from mmcli.errors import MmcliError
from mmcli.fusion.static import _moments
from mmcli.fusion.static._alignment_fit import FitOptions, _train
from mmcli.fusion.static.cca import Cca
from mmcli.fusion.static.contrastive import Contrastive, info_nce
from mmcli.fusion.static.l2_align import L2Align, vicreg
from mmcli.fusion.static.pca import Pca

METHODS = [Pca, Cca, Contrastive, L2Align]
SHARED = [Cca, Contrastive, L2Align]


def drawn(rows, widths, *, latent=3, noise=0.5, seed=0, share=1.0):
    """Modalities that are linear in a latent vector of the row, with noise of their own and a mean that is not 0."""
    fixed, random = np.random.default_rng(99), np.random.default_rng(seed)
    maps = {name: fixed.normal(size=(latent, width)) for name, width in widths.items()}
    hidden = random.normal(size=(rows, latent))
    features = {
        name: torch.from_numpy(0.5 + hidden @ maps[name] + noise * random.normal(size=(rows, width))).float()
        for name, width in widths.items()
    }
    present = {name: torch.from_numpy(random.random(rows) < share) for name in widths}
    return features, present


def batches(features, present, size=37):
    def train():
        rows = len(next(iter(present.values())))
        for start in range(0, rows, size):
            part = slice(start, start + size)
            yield {n: v[part] for n, v in features.items()}, {n: p[part] for n, p in present.items()}

    return train


def fitted(kind, features, present, size=37, **options):
    method = kind({name: value.shape[1] for name, value in features.items()}, **options)
    method.fit(batches(features, present, size))
    return method


def block_of(method, features, present):
    return method.embed(features, present).double().numpy()


def filled(features, present):
    """Centred on the rows present and zeros elsewhere, in NumPy."""
    made = []
    for name in sorted(features):
        values, there = features[name].double().numpy(), present[name].numpy()
        made.append(np.where(there[:, None], values - values[there].mean(axis=0), 0))
    return made


class TestPca:
    def test_components_and_values_are_those_of_scikit_learn(self):
        features, present = drawn(120, {"b": 6, "a": 5})
        method = fitted(Pca, features, present, dim=4)
        expected = PCA(n_components=4, svd_solver="full")
        scores = expected.fit_transform(np.concatenate([features["a"], features["b"]], axis=1).astype(np.float64))
        found = method(features, present).numpy()
        signs = np.sign((found * scores).sum(axis=0))
        np.testing.assert_allclose(found, scores * signs, atol=1e-5)
        np.testing.assert_allclose(found.var(axis=0, ddof=1), expected.explained_variance_, rtol=1e-5)

    def test_the_largest_loading_of_each_component_is_positive(self):
        matrix = fitted(Pca, *drawn(120, {"a": 5, "b": 6}), dim=6).matrix
        assert (matrix.max(dim=0).values >= -matrix.min(dim=0).values).all()

    def test_an_absent_modality_is_taken_for_its_mean(self):
        features, present = drawn(200, {"a": 5, "b": 6}, share=0.6)
        joined = np.concatenate(filled(features, present), axis=1)
        _, _, axes = np.linalg.svd(joined, full_matrices=False)
        found = fitted(Pca, features, present, dim=3)(features, present).numpy()
        np.testing.assert_allclose(np.abs(found), np.abs(joined @ axes[:3].T), atol=1e-4)

    def test_columns_beyond_what_there_is_are_zeros(self):
        features, present = drawn(4, {"a": 5, "b": 6})
        found = fitted(Pca, features, present, dim=8)(features, present)
        assert found.shape == (4, 8)
        assert (found[:, :3].abs().sum(dim=0) > 0).all()
        assert not found[:, 3:].any()
        assert Pca({"a": 5, "b": 6}, dim=64).out_dim == 11

    @pytest.mark.parametrize("noise", [0.5, 8.0])
    def test_wide_features_give_what_exact_computation_gives(self, noise):
        features, present = drawn(600, {"a": 1500, "b": 40}, latent=10, noise=noise)
        found = fitted(Pca, features, present, dim=10)(features, present).double().numpy()
        scores = PCA(n_components=10, svd_solver="full").fit_transform(np.concatenate([*features.values()], axis=1))
        np.testing.assert_allclose(np.abs(found), np.abs(scores), atol=1e-3 * np.abs(scores).max())


class TestCca:
    def test_correlations_of_two_modalities_are_those_of_scipy_and_scikit_learn(self):
        features, present = drawn(150, {"a": 4, "b": 6}, noise=1.5)
        method = fitted(Cca, features, present, dim=4, regularization=1e-9)
        one, other = filled(features, present)
        angles = np.sort(np.cos(scipy.linalg.subspace_angles(one, other)))[::-1]
        np.testing.assert_allclose(method.correlations, angles, atol=1e-4)
        scores = CCA(n_components=4, max_iter=20_000, tol=1e-12).fit(one, other).transform(one, other)
        reference = [np.corrcoef(scores[0][:, index], scores[1][:, index])[0, 1] for index in range(4)]
        np.testing.assert_allclose(method.correlations, reference, atol=1e-4)

    def test_columns_have_those_correlations_variance_one_and_nothing_else_in_common(self):
        features, present = drawn(150, {"a": 4, "b": 6}, noise=1.5)
        method = fitted(Cca, features, present, dim=4, regularization=1e-9, power=0)
        parts = block_of(method, features, present)
        together = np.cov(parts[:, 0].T, parts[:, 1].T, ddof=0)
        np.testing.assert_allclose(together[:4, :4], np.eye(4), atol=1e-4)
        np.testing.assert_allclose(together[4:, 4:], np.eye(4), atol=1e-4)
        np.testing.assert_allclose(together[:4, 4:], np.diag(method.correlations), atol=1e-4)
        weighed = block_of(fitted(Cca, features, present, dim=4, regularization=1e-9, power=2), features, present)
        np.testing.assert_allclose(weighed, parts * method.correlations.numpy() ** 2, atol=1e-5)

    def test_regularised_correlations_solve_the_generalised_eigenproblem(self):
        features, present = drawn(150, {"a": 4, "b": 6}, noise=1.5)
        one, other = filled(features, present)
        rows = len(one)
        own = [part.T @ part / rows for part in (one, other)]
        penalised = scipy.linalg.block_diag(
            *[part + 0.3 * np.trace(part) / len(part) * np.eye(len(part)) for part in own]
        )
        apart = np.zeros((10, 10))
        apart[:4, 4:] = one.T @ other / rows
        values = scipy.linalg.eigh(apart + apart.T, penalised, eigvals_only=True)
        method = fitted(Cca, features, present, dim=4, regularization=0.3)
        np.testing.assert_allclose(method.correlations, values[::-1][:4], atol=1e-6)

    def test_three_modalities_solve_the_sum_of_projections(self):
        features, present = drawn(150, {"a": 4, "b": 6, "c": 3}, noise=1.5)
        parts = filled(features, present)
        values, shared = np.linalg.eigh(sum(part @ np.linalg.pinv(part) for part in parts))
        method = fitted(Cca, features, present, dim=3, regularization=1e-9, power=0)
        np.testing.assert_allclose(1 + 2 * method.correlations.numpy(), values[::-1][:3], atol=1e-4)
        found = method(features, present).double().numpy()
        cosines = np.abs((found * shared[:, ::-1][:, :3]).sum(axis=0)) / np.linalg.norm(found, axis=0)
        np.testing.assert_allclose(cosines, 1, atol=1e-5)

    def test_rows_lacking_a_modality_count_where_they_can(self):
        features, present = drawn(400, {"a": 4, "b": 6, "c": 3}, share=0.5)
        parts, there = filled(features, present), [present[name].numpy() for name in "abc"]
        blocks = [
            [one.T @ other / (here & also).sum() for other, also in zip(parts, there, strict=True)]
            for one, here in zip(parts, there, strict=True)
        ]
        own = scipy.linalg.block_diag(
            *[row[i] + 0.1 * np.trace(row[i]) / len(row[i]) * np.eye(len(row[i])) for i, row in enumerate(blocks)]
        )
        apart = np.block(blocks) - scipy.linalg.block_diag(*[row[i] for i, row in enumerate(blocks)])
        values = scipy.linalg.eigh(apart, own, eigvals_only=True)[::-1] / 2
        method = fitted(Cca, features, present, dim=3)
        np.testing.assert_allclose(method.correlations, values[:3].clip(0, 1), atol=1e-5)

    def test_few_overlapping_rows_break_nothing(self):
        features, present = drawn(12, {"a": 9, "b": 8, "c": 7}, share=0.5, noise=2)
        method = fitted(Cca, features, present, regularization=1e-3)
        assert method(features, present).isfinite().all()
        assert ((method.correlations >= 0) & (method.correlations <= 1)).all()

    def test_a_column_that_never_changes_and_a_modality_never_there_break_nothing(self):
        features, present = drawn(60, {"a": 4, "b": 6, "c": 3})
        features["a"][:, 1], present["c"][:] = 2, False
        embedded = fitted(Cca, features, present, dim=3)(features, {**present, "c": ~present["c"]})
        assert embedded.isfinite().all()

    def test_wide_features_give_what_exact_computation_gives(self, monkeypatch):
        features, present = drawn(300, {"a": 1100, "b": 40}, latent=5)
        quick = fitted(Cca, features, present, dim=5)
        monkeypatch.setattr(_moments, "EXACT_COLUMNS", 2000)
        exact = fitted(Cca, features, present, dim=5)
        # The regularisation is a share of the mean over 256 directions in one, over 1100 columns in the other.
        one, other = (block_of(method, features, present).reshape(600, 5) for method in (quick, exact))
        np.testing.assert_allclose(np.cos(scipy.linalg.subspace_angles(one, other)), 1, atol=0.02)

    def test_one_modality_alone_is_whitened(self):
        features, present = drawn(100, {"a": 5})
        found = fitted(Cca, features, present, dim=3, regularization=1e-9)(features, present).double().numpy()
        np.testing.assert_allclose(np.cov(found.T, ddof=0), np.eye(3), atol=1e-4)
        scores = PCA(n_components=3, whiten=True).fit_transform(features["a"].double())
        np.testing.assert_allclose(np.abs((found * scores).mean(axis=0)), 1, atol=0.02)


class TestContrastive:
    def test_the_loss_is_that_of_an_explicit_double_loop(self):
        random = np.random.default_rng(5)
        embedded, there = random.normal(size=(9, 3, 4)), random.random((9, 3)) < 0.7
        embedded /= np.linalg.norm(embedded, axis=2, keepdims=True)
        terms = []
        for m, n in [(0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1)]:
            rows = [row for row in range(9) if there[row, m] and there[row, n]]
            assert len(rows) > 1
            for row in rows:
                weights = [np.exp(7 * embedded[row, m] @ embedded[other, n]) for other in rows]
                terms.append(-np.log(np.exp(7 * embedded[row, m] @ embedded[row, n]) / np.sum(weights)))
        found = info_nce(torch.from_numpy(embedded), torch.from_numpy(there), torch.tensor(7.0))
        np.testing.assert_allclose(found, np.mean(terms), rtol=1e-9)

    @pytest.mark.parametrize("hidden", [0, 16])
    def test_embeddings_have_norm_one(self, hidden):
        features, present = drawn(80, {"a": 4, "b": 6}, share=0.7)
        method = fitted(Contrastive, features, present, dim=5, hidden=hidden, epochs=2)
        norms = method.embed(features, present).norm(dim=2).numpy()
        np.testing.assert_allclose(norms, np.stack([present["a"], present["b"]], axis=1).astype(float), atol=1e-6)


class TestL2Align:
    def test_the_loss_is_that_of_a_loop(self):
        random = np.random.default_rng(6)
        embedded, there = random.normal(size=(9, 3, 4)) * 0.7, random.random((9, 3)) < 0.7
        distances = [
            np.mean((embedded[row, m] - embedded[row, n]) ** 2)
            for m, n in [(0, 1), (0, 2), (1, 2)]
            for row in range(9)
            if there[row, m] and there[row, n]
        ]
        spreads = []
        for m in range(3):
            covariance = np.cov(embedded[there[:, m], m].T)
            short = [max(0, 1 - np.sqrt(covariance[j, j] + 1e-4)) for j in range(4)]
            apart = [covariance[i, j] ** 2 for i in range(4) for j in range(4) if i != j]
            spreads.append(25 * np.mean(short) + np.sum(apart) / 4)
        found = vicreg(torch.from_numpy(embedded), torch.from_numpy(there))
        np.testing.assert_allclose(found, 25 * np.mean(distances) + np.mean(spreads), rtol=1e-9)

    @pytest.mark.parametrize("seed", range(4))
    def test_columns_keep_their_variance(self, seed):
        features, present = drawn(400, {"a": 8, "b": 9})
        parts = block_of(fitted(L2Align, features, present, dim=3, seed=seed), features, present)
        assert (parts.std(axis=0) > 0.9).all()
        assert np.square(parts[:, 0] - parts[:, 1]).mean() < 0.25 * parts.var()


class TestAll:
    @pytest.mark.parametrize("kind", SHARED)
    @pytest.mark.parametrize("share", [1.0, 0.7])
    def test_new_rows_find_their_other_modality(self, kind, share):
        widths = {"a": 20, "b": 30, "c": 10}
        method = fitted(kind, *drawn(600, widths, latent=6, share=share), size=256, dim=16)
        features, present = drawn(200, widths, latent=6, seed=1)
        parts = torch.nn.functional.normalize(method.embed(features, present), dim=2)
        for m, n in [(0, 1), (1, 2), (2, 0)]:
            nearest = (parts[:, m] @ parts[:, n].T).argmax(dim=1)
            assert (nearest == torch.arange(200)).float().mean() > 0.3  # by chance 0.005

    @pytest.mark.parametrize("kind", SHARED)
    def test_the_result_is_the_mean_of_what_is_present(self, kind):
        features, present = drawn(60, {"a": 4, "b": 6, "c": 3}, share=0.6)
        method = fitted(kind, features, present, dim=3)
        parts, found = block_of(method, features, present), method(features, present).numpy()
        there = np.stack([present[name] for name in "abc"], axis=1)
        assert not parts[~there].any()
        for row in range(60):
            expected = parts[row][there[row]].mean(axis=0) if there[row].any() else np.zeros(3)
            np.testing.assert_allclose(found[row], expected, atol=1e-6)

    @pytest.mark.parametrize("kind", METHODS)
    def test_fitting_again_gives_the_same_bits_and_touches_no_other_random_numbers(self, kind):
        features, present = drawn(90, {"a": 40, "b": 6}, share=0.8)
        torch.manual_seed(1)
        before = torch.get_rng_state()
        one = fitted(kind, features, present, dim=4)
        assert torch.equal(before, torch.get_rng_state())
        torch.rand(3)
        other = fitted(kind, features, present, dim=4)
        assert one.state_dict().keys() == kind({"a": 40, "b": 6}, dim=4).state_dict().keys()
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name

    @pytest.mark.parametrize("kind", METHODS)
    def test_neither_the_cut_into_batches_nor_rubbish_where_absent_changes_what_is_learnt(self, kind):
        features, present = drawn(90, {"a": 9, "b": 6}, share=0.8)
        spoilt = {name: torch.where(present[name][:, None], value, torch.nan) for name, value in features.items()}
        one, other = fitted(kind, features, present, 90, dim=4), fitted(kind, spoilt, present, 7, dim=4)
        torch.testing.assert_close(other(spoilt, present), one(features, present), atol=1e-3, rtol=1e-3)
        assert one(features, present).abs().sum() > 0

    @pytest.mark.parametrize("kind", METHODS)
    @pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
    def test_fitting_works_where_gradients_are_off(self, kind, mode):
        features, present = drawn(40, {"a": 4, "b": 6})
        expected = fitted(kind, features, present, dim=4)(features, present)
        with mode():
            shown = {name: value.clone() for name, value in features.items()}
            assert torch.equal(fitted(kind, shown, present, dim=4)(shown, present), expected)

    @pytest.mark.parametrize("kind", METHODS)
    def test_where_a_feature_lies_means_nothing(self, kind):
        features, present = drawn(60, {"a": 4, "b": 6}, share=0.8)
        moved = {name: value + 3 for name, value in features.items()}
        one, other = fitted(kind, features, present, dim=3), fitted(kind, moved, present, dim=3)
        torch.testing.assert_close(other(moved, present), one(features, present), atol=1e-3, rtol=1e-3)

    @pytest.mark.parametrize("kind", [Contrastive, L2Align])
    def test_the_unit_of_a_modality_means_nothing(self, kind):
        features, present = drawn(60, {"a": 4, "b": 6}, share=0.8)
        larger = {**features, "a": features["a"] * 256}
        one, other = fitted(kind, features, present, dim=3), fitted(kind, larger, present, dim=3)
        torch.testing.assert_close(other(larger, present), one(features, present), atol=5e-3, rtol=5e-3)

    @pytest.mark.parametrize("kind", METHODS)
    def test_nothing_is_given_before_fit(self, kind):
        features, present = drawn(5, {"a": 4, "b": 6})
        assert not kind({"a": 4, "b": 6})(features, present).any()

    @pytest.mark.parametrize("kind", SHARED)
    def test_modalities_that_no_row_has_together_are_refused(self, kind):
        features, present = drawn(50, {"a": 4, "b": 6})
        present["a"][:30], present["b"][30:] = False, False
        with pytest.raises(MmcliError, match="train rows with two modalities, but found only 0"):
            fitted(kind, features, present)

    @pytest.mark.parametrize("kind", [Contrastive, L2Align])
    def test_wide_features_are_reduced_and_the_reduction_is_folded_in(self, kind):
        widths = {"a": 1100, "b": 12}
        method = fitted(kind, *drawn(300, widths, latent=5), size=128, dim=8)
        features, present = drawn(100, widths, latent=5, seed=1)
        parts = torch.nn.functional.normalize(method.embed(features, present), dim=2)
        assert ((parts[:, 0] @ parts[:, 1].T).argmax(dim=1) == torch.arange(100)).float().mean() > 0.3


def test_training_ends_when_held_out_rows_gain_nothing_and_keeps_what_was_best_on_them():
    leaf, asked = torch.full((1,), 5.0, requires_grad=True), []

    def loss(rows):
        """Train rows pull the leaf down for ever, the five held out are best off where it is 3."""
        if torch.is_grad_enabled():
            return leaf.sum()
        asked.append((float(leaf.detach()), rows.tolist()))
        return (leaf - 3).square().sum()

    options = FitOptions(epochs=1000, lr=0.1, batch=16, seed=0)
    _train([leaf], [], loss, 50, options, torch.Generator().manual_seed(0))
    assert {tuple(rows) for _, rows in asked} == {tuple(asked[0][1])}
    assert len(asked[0][1]) == 5
    best = min(range(len(asked)), key=lambda epoch: (asked[epoch][0] - 3) ** 2)
    assert len(asked) == best + 1 + 5
    assert float(leaf.detach()) == pytest.approx(asked[best][0])


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        (Pca, {"dim": 0}, "dim must be at least 1"),
        (Cca, {"regularization": 0.0}, "regularization must be above 0"),
        (Cca, {"power": -1.0}, "power must be at least 0"),
        (Contrastive, {"batch": 1}, "batch must be at least 2"),
        (Contrastive, {"lr": float("nan")}, "lr must be above 0"),
        (L2Align, {"epochs": 0}, "epochs must be at least 1"),
        (L2Align, {"hidden": -1}, "hidden must be at least 1"),
    ],
)
def test_options_out_of_range_are_refused(kind, options, said):
    with pytest.raises(MmcliError, match=said):
        kind({"a": 3, "b": 2}, **options)
