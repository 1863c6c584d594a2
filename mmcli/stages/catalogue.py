"""The table of all commands, from which the command line, pipelines, records and documentation are derived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from mmcli.chain.config import ExtractConfig, FuseConfig
from mmcli.comparison.config import CompareConfig
from mmcli.inference.config import EvaluateConfig, PredictConfig
from mmcli.retrieval.config import IndexConfig, SearchConfig
from mmcli.stages.config import (
    CleanConfig,
    InspectConfig,
    LedgerConfig,
    ListConfig,
    RunConfig,
    SchemaConfig,
    VerifyConfig,
)
from mmcli.tables.config import CheckConfig, PreprocessConfig
from mmcli.training.config import TrainConfig

STAGES, AROUND, RETRIEVAL, RESULTS = "Stages", "Before and around stages", "Retrieval", "Results"
GROUPS = (STAGES, AROUND, RETRIEVAL, RESULTS)
TABLE = "table"
"""What preprocess reads; all other inputs are written by stages."""
_MACHINE = ("jobs", "device", "deterministic")


@dataclass(frozen=True)
class Argument:
    """A positional argument of a command.

    Args:
        name: Its name.
        help: One sentence of help.
        many: Whether there may be several values.
        default: Its default, if it is optional.
        choices: The allowed values, if they are listed.
        is_path: Whether it is a path.
    """

    name: str
    help: str
    many: bool = False
    default: str | None = None
    choices: tuple[str, ...] = ()
    is_path: bool = False

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is None and not (self.many and self.name == "queries")


@dataclass(frozen=True)
class Output:
    """Where a command writes: ``--output``."""

    help: str
    required: bool = True


@dataclass(frozen=True)
class StageSpec:
    """A command.

    Args:
        name: Its name, as typed.
        summary: One line for the list of commands.
        details: Further lines of its help.
        config: The class of its options.
        function: ``module:name`` of its function, called with the arguments, the output, a config and a context.
        show: The name in ``mmcli.console.shows`` of the function that prints its result.
        arguments: Its positional arguments, in order.
        output: Where it writes, if anywhere.
        context: The context options that it accepts.
        shell: The shell options that it accepts.
        group: Its group in the list of commands.
        examples: Command lines to copy.
        reads: In a pipeline, the stages whose output it takes, the preferred first.
        writes: In a pipeline, the name of its output; None if it cannot be a stage.
        takes_models: In a pipeline, whether it may name several models.
        moved: Options that have moved to another command, with what to type instead.
    """

    name: str
    summary: str
    config: type[Any]
    function: str
    show: str
    arguments: tuple[Argument, ...]
    group: str
    details: str = ""
    output: Output | None = None
    context: tuple[str, ...] = ()
    shell: tuple[str, ...] = ("config", "plugin", "json", "quiet", "debug")
    examples: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: str | None = None
    takes_models: bool = False
    moved: Mapping[str, str] = field(default_factory=dict)

    def load(self) -> Any:
        """Import and return its function."""
        module, _, name = self.function.partition(":")
        return getattr(import_module(module), name)


_ARTIFACT_OUTPUT = Output("Folder for the artifact.")
_MODEL = Argument("model", "Model folder, written by train.", is_path=True)
_ROWS = (
    "Table (CSV, TSV, JSON lines, Parquet …), folder, artifact made like the training data, or - for rows on standard "
    "input."
)
_FEATURES = ("fuse", "extract-features", "preprocess")
_FOLDER = Argument("artifact", "Artifact folder.", is_path=True)
_LOOKS = ("json", "debug")

_ALL = (
    StageSpec(
        "preprocess",
        "Read a table and its files; validate, split, decode and tokenize them.",
        PreprocessConfig,
        "mmcli.stages.preprocess:preprocess",
        "show_stage",
        (Argument("source", "Table, folder with one subfolder per class, or - for rows on standard input."),),
        STAGES,
        "If no column is named, kinds are inferred. Every input is recorded as ok, missing, corrupt or skipped, with "
        "the reason in the ledger. Running the command again processes only what has changed.",
        _ARTIFACT_OUTPUT,
        ("jobs", "fresh"),
        examples=(
            "mmcli preprocess animals.csv -o work/samples",
            "mmcli preprocess animals.csv -o work/samples --text name --image photo --target species",
            "mmcli preprocess new.csv -o work/new --like work/model",
        ),
        reads=(TABLE,),
        writes="samples",
    ),
    StageSpec(
        "extract-features",
        "Compute features of preprocessed samples with frozen extractors.",
        ExtractConfig,
        "mmcli.stages.extract_features:extract_features",
        "show_stage",
        (Argument("source", "Artifact of preprocess, or - for rows on standard input."),),
        STAGES,
        "A modality without --use gets the default extractors of its kind, which need no weights. Extractors that "
        "learn, such as TF-IDF, learn only from the train rows.",
        _ARTIFACT_OUTPUT,
        (*_MACHINE, "fresh"),
        examples=(
            "mmcli extract-features work/samples -o work/features",
            "mmcli extract-features work/samples -o work/features --use name=tfidf:ngrams=1-2 --use photo=resnet18",
        ),
        reads=("preprocess",),
        writes="features",
    ),
    StageSpec(
        "fuse",
        "Scale and align the features of all modalities, and choose how they are fused.",
        FuseConfig,
        "mmcli.stages.fuse:fuse",
        "show_stage",
        (Argument("sources", "Feature artifacts, joined by id, or - for rows on standard input.", many=True),),
        STAGES,
        "Scales are learned from the train rows. A static method also writes the fused features; a learned one becomes "
        "the first layer of the network that train builds; a late one combines the predictions of one model per "
        "modality. Every method takes into account which modalities a sample has.",
        _ARTIFACT_OUTPUT,
        ("jobs", "fresh"),
        examples=(
            "mmcli fuse work/features -o work/fused --method gated",
            "mmcli fuse work/photos work/texts -o work/fused",
        ),
        reads=("extract-features",),
        writes="fused",
    ),
    StageSpec(
        "train",
        "Train a model on features, or end to end on preprocessed samples.",
        TrainConfig,
        "mmcli.stages.train:train",
        "show_model",
        (
            Argument(
                "sources",
                "Artifact of preprocess, extract-features or fuse, or - for standard input; several are joined by id.",
                many=True,
            ),
        ),
        STAGES,
        "The model of the epoch with the best val score is kept; the test split is never used. Ctrl-C keeps the best "
        "epoch so far, and running the same command again continues from there.",
        Output("Folder for the model."),
        ("device", "deterministic", "fresh"),
        examples=(
            "mmcli train work/features -o work/model --method gated",
            "mmcli train work/samples -o work/model --encoder photo=resnet18 --epochs 20",
            "mmcli train work/features -o work/model --model sklearn:logistic_regression --folds 5",
        ),
        reads=_FEATURES,
        writes="model",
    ),
    StageSpec(
        "evaluate",
        "Measure a model on rows with known targets.",
        EvaluateConfig,
        "mmcli.stages.evaluate:evaluate",
        "show_report",
        (
            _MODEL,
            Argument(
                "sources",
                f"{_ROWS} Several artifacts are joined by id. Further model folders before them are compared with the "
                "first on the same rows.",
                many=True,
            ),
        ),
        STAGES,
        "Metrics are reported with confidence intervals, next to baselines, and for every subset of the modalities. Of "
        "several models, paired tests say which is better.",
        Output("Folder for metrics.json and predictions.jsonl; of several models, one in each.", required=False),
        (*_MACHINE, "fresh"),
        examples=(
            "mmcli evaluate work/model work/features -o work/report",
            "mmcli evaluate work/model new.csv --split all",
            "mmcli evaluate work/model work/other work/features",
        ),
        reads=_FEATURES,
        writes="report",
        takes_models=True,
    ),
    StageSpec(
        "predict",
        "Predict new rows with a model.",
        PredictConfig,
        "mmcli.stages.predict:predict",
        "show_answers",
        (_MODEL, Argument("source", _ROWS)),
        STAGES,
        "Each prediction has the row's id, the label, labels or value, probabilities, the modalities used, and why "
        "others were not used. Predictions are in input order. JSON lines on standard input are answered one by one as "
        "they arrive.",
        Output(
            "FILE.jsonl, .csv or .parquet, or a folder for --explain inputs; without it, JSON lines are printed.",
            required=False,
        ),
        _MACHINE,
        ("config", "plugin", "quiet", "debug"),
        (
            "mmcli predict work/model new.csv -o predictions.csv",
            "mmcli predict work/model new.csv --explain inputs -o why",
            """echo '{"name": "ram", "photo": "ram.png"}' | mmcli predict work/model -""",
        ),
        _FEATURES,
        "predictions.jsonl",
        moved={
            "--index": "mmcli index MODEL SOURCE -o FOLDER",
            "--faiss": "mmcli index MODEL SOURCE -o FOLDER --faiss",
            "--query": "mmcli search MODEL QUERY --in SOURCE",
            "--query-image": "mmcli search MODEL --query-image FILE --in SOURCE",
            "--search": "mmcli search MODEL QUERY --in SOURCE --by MODALITY",
            "--top": "mmcli search MODEL QUERY --in SOURCE --top N",
        },
    ),
    StageSpec(
        "run",
        "Run the stages of a pipeline file, reusing what is up to date.",
        RunConfig,
        "mmcli.stages.pipeline:run",
        "show_run",
        (Argument("pipeline", "YAML file with a source, an output folder and stages.", is_path=True),),
        AROUND,
        "A stage takes the options of its command. mmcli schema prints a JSON Schema of the file for editors.",
        Output("Folder for all artifacts; by default the output named in the file.", required=False),
        ("jobs", "fresh"),
        ("plugin", "json", "quiet", "debug"),
        examples=("mmcli run pipeline.yaml", "mmcli run pipeline.yaml -o elsewhere"),
    ),
    StageSpec(
        "compare",
        "Train many fusion methods with several seeds and rank them.",
        CompareConfig,
        "mmcli.stages.compare:compare",
        "show_comparison",
        (
            Argument(
                "sources",
                "Artifact of preprocess or extract-features, or - for standard input; several are joined by id.",
                many=True,
            ),
        ),
        AROUND,
        "Takes the options of train. Every method is compared on the val split with the best single modality; the test "
        "split is never used. A table, a figure and the predictions of every run are written. Finished runs are not "
        "repeated: after Ctrl-C, or with one more --method, the same command does the rest.",
        Output("Folder for the comparison."),
        ("device", "deterministic", "fresh"),
        examples=(
            "mmcli compare work/features -o work/comparison",
            "mmcli compare work/features -o work/comparison --method concat --method gated --seeds 10",
        ),
        reads=("extract-features", "preprocess"),
        writes="comparison",
    ),
    StageSpec(
        "check",
        "Check a table before a long job: columns, files, disk space and time needed.",
        CheckConfig,
        "mmcli.stages.check:check",
        "show_check",
        (Argument("source", "Table, folder with one subfolder per class, or - for rows on standard input."),),
        AROUND,
        "Takes the options of preprocess. The table is read, a sample of its files is decoded, and nothing is written. "
        "The exit code is 3 if more inputs are bad than --max-errors allows.",
        None,
        ("jobs",),
        examples=("mmcli check animals.csv", "mmcli check animals.csv --image photo --target species --all"),
    ),
    StageSpec(
        "list",
        "List names: extractors, fusion methods, encoders, models, tasks.",
        ListConfig,
        "mmcli.stages.names:list_names",
        "show_list",
        (
            Argument(
                "what",
                "Which names to list.",
                default="all",
                choices=("extractors", "fusion", "encoders", "models", "tasks", "all"),
            ),
        ),
        AROUND,
        shell=("plugin", *_LOOKS),
        examples=("mmcli list fusion", "mmcli list encoders --verbose"),
    ),
    StageSpec(
        "schema",
        "Print a JSON Schema of pipeline files, for editors.",
        SchemaConfig,
        "mmcli.stages.schema:schema",
        "show_schema",
        (),
        AROUND,
        shell=("debug",),
        examples=("mmcli schema > pipeline.schema.json",),
    ),
    StageSpec(
        "index",
        "Embed rows with a retrieval model, for search.",
        IndexConfig,
        "mmcli.stages.index:index",
        "show_stage",
        (_MODEL, Argument("source", _ROWS)),
        RETRIEVAL,
        "",
        Output("Folder for the index."),
        (*_MACHINE, "fresh"),
        examples=("mmcli index work/model photos.csv -o work/index",),
        reads=_FEATURES,
        writes="index",
    ),
    StageSpec(
        "search",
        "Find the rows closest to a text or an image.",
        SearchConfig,
        "mmcli.stages.search:search",
        "show_answers",
        (_MODEL, Argument("queries", "Text to search for, or MODALITY=VALUE.", many=True)),
        RETRIEVAL,
        "Prints one JSON line per row found, closest first.",
        Output(
            "FILE.jsonl, .csv or .parquet, or a folder for --explain inputs; without it, JSON lines are printed.",
            required=False,
        ),
        _MACHINE,
        ("config", "plugin", "quiet", "debug"),
        examples=(
            "mmcli search work/model 'a dog on a beach' --in work/index",
            "mmcli search work/model --query-image dog.jpg --in captions.csv --top 3",
        ),
    ),
    StageSpec(
        "inspect",
        "Show what an artifact contains and how it was made.",
        InspectConfig,
        "mmcli.stages.inspect:inspect",
        "show_artifact",
        (_FOLDER,),
        RESULTS,
        shell=_LOOKS,
        examples=("mmcli inspect work/features",),
    ),
    StageSpec(
        "ledger",
        "List the inputs that are not ok, with the reasons.",
        LedgerConfig,
        "mmcli.stages.ledger:ledger",
        "show_rows",
        (_FOLDER,),
        RESULTS,
        shell=_LOOKS,
        examples=("mmcli ledger work/samples --count", "mmcli ledger work/samples --status corrupt --json"),
    ),
    StageSpec(
        "verify",
        "Recompute the hashes of an artifact and its chain.",
        VerifyConfig,
        "mmcli.stages.verify:verify",
        "show_differences",
        (_FOLDER,),
        RESULTS,
        "Prints what has changed. The exit code is 4 if anything has.",
        shell=("json", "quiet", "debug"),
        examples=("mmcli verify work/model", "mmcli verify work/samples --media"),
    ),
    StageSpec(
        "clean",
        "List, and with --yes remove, what interrupted runs left behind.",
        CleanConfig,
        "mmcli.stages.clean:clean",
        "show_leftovers",
        (Argument("folder", "Folder to search, at any depth.", default=".", is_path=True),),
        RESULTS,
        "An interrupted run that is started again continues from what it left behind; after cleaning it starts from "
        "the beginning. Files of running commands are kept.",
        shell=_LOOKS,
        examples=("mmcli clean", "mmcli clean work --yes"),
    ),
)
CATALOGUE: Mapping[str, StageSpec] = {spec.name: spec for spec in _ALL}
