"""Metrics, baselines and lists of samples in words."""

from __future__ import annotations

METRICS = {
    "accuracy": "share of rows answered right",
    "balanced_accuracy": "share answered right, averaged over the classes",
    "macro_f1": "harmonic mean of precision and recall, averaged over the classes",
    "micro_f1": "harmonic mean of precision and recall over all rows and labels",
    "samples_f1": "F1 of a row's labels, averaged over the rows",
    "precision": "share of the rows answered positive that are positive",
    "recall": "share of the positive rows that are answered positive",
    "f1": "harmonic mean of precision and recall",
    "roc_auc": "probability that a row of a class is ranked above a row without it",
    "average_precision": "area under the precision-recall curve",
    "map": "mean average precision",
    "log_loss": "mean negative logarithm of the probability given to the true class; smaller is better",
    "ece": "expected calibration error: mean gap between confidence and accuracy; smaller is better",
    "brier": "squared error of the probabilities; smaller is better",
    "hamming": "share of labels that are wrong; smaller is better",
    "exact": "share of rows without any mistake",
    "r2": "share of the targets' variance that is explained; 1 is perfect, 0 is the mean",
    "rmse": "root mean squared error, in units of the target; smaller is better",
    "mae": "mean absolute error, in units of the target; smaller is better",
    "mape": "mean absolute error as a share of the target; smaller is better",
    "pearson": "linear correlation of predictions and targets",
    "spearman": "rank correlation of predictions and targets",
    "quadratic_kappa": "agreement beyond chance, with mistakes weighted by their squared distance",
    "within_1": "share of rows at most one rank off",
    "cider": "agreement with the reference captions, from 0 to 10",
    "bleu_4": "share of matching word sequences of up to four words",
    "rouge_l": "F-measure of the longest common word sequence",
    "nmi": "normalised mutual information of clusters and labels",
    "ari": "agreement of clusters and labels beyond chance",
    "purity": "share of rows whose label is the most frequent of their cluster",
    "silhouette": "how much closer rows are to their own cluster than to the next, from -1 to 1",
}
BASELINES = {
    "majority": "always answering the most frequent class of the train rows",
    "mean": "always answering the mean of the train rows",
    "median": "always answering the median of the train rows",
    "prior": "answering the train rows' label shares for every row",
    "chance": "a random order",
    "commonest": "always answering the most frequent text of the train rows",
    "one_cluster": "one cluster for all rows",
    "random": "random clusters",
}
LISTS = {
    "confident_mistakes": ("Most confident mistakes", "Wrong answers, the highest probability first."),
    "least_confident": ("Least confident", "Answers with the lowest probability, right or wrong."),
    "confident_and_right": ("Confident and right", "Right answers, the highest probability first."),
    "worst": ("Largest errors", "Samples on which the model does worst."),
    "evenly_spaced": ("Samples evenly spaced over the rows", "Not chosen by how well the model does."),
}


def metric_words(name: str) -> str:
    """Return what a metric measures; "" if that is not known."""
    own = name.rpartition(".")[2]
    if "_recall@" in own:
        return f"share of queries with a right item among the first {own.partition('@')[2]}"
    if own.endswith("_median_rank"):
        return "median rank of the first right item; smaller is better"
    if own.startswith("top_"):
        return "share of rows whose class is among the likeliest"
    return METRICS.get(own, "")
