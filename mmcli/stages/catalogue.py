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
    LISTS,
    CleanConfig,
    InspectConfig,
    LedgerConfig,
    ListConfig,
    ReportConfig,
    RunConfig,
    SchemaConfig,
    VerifyConfig,
)
from mmcli.tables.config import CheckConfig, PreprocessConfig
from mmcli.training.config import TrainConfig

STAGES, AROUND, RETRIEVAL, RESULTS = "Stages", "Pipelines, comparisons and checks", "Retrieval", "Artifacts"
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
        optional: Whether it may be left out although it has no default.
    """

    name: str
    help: str
    many: bool = False
    default: str | None = None
    choices: tuple[str, ...] = ()
    is_path: bool = False
    optional: bool = False

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is None and not self.optional


@dataclass(frozen=True)
class Output:
    """Where a command writes: ``--output``.

    Args:
        help: One sentence of help.
        required: Whether it must be given.
        metavar: What to type.
        default_text: What happens without it, in words.
    """

    help: str
    required: bool = True
    metavar: str = "FOLDER"
    default_text: str | None = None


@dataclass(frozen=True)
class StageSpec:
    """A command.

    Args:
        name: Its name, as typed.
        summary: One line for the list of commands.
        details: Further paragraphs of its help.
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
    details: tuple[str, ...] = ()
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
_ANSWERS = Output(
    "File to write: .jsonl, .csv or .parquet.", required=False, metavar="FILE", default_text="print JSON Lines"
)
_TABLE = "Table (CSV, TSV, JSON Lines, Parquet, Excel …), folder with one subfolder per class"
_RAW = Argument("source", f"{_TABLE}, or - for rows (CSV or JSON Lines) on standard input.")
_MODEL = Argument("model", "Model folder, written by train.", is_path=True)
_ROWS = f"{_TABLE}, artifact made by the same stages as the training data, or - for rows on standard input."
_PIPES = (
    "On a terminal, prints a summary. If the output is piped or redirected, prints the artifact's rows as JSON Lines, "
    "for the next stage."
)
_RETRIEVES = "The model must be trained with --task retrieval."
_FEATURES = ("fuse", "extract-features", "preprocess")
_FOLDER = Argument("artifact", "Artifact folder.", is_path=True)
_LOOKS = ("json", "debug")

_ALL = (
    StageSpec(
        "preprocess",
        "Read a table and the files it names: split rows, decode media, tokenize text.",
        PreprocessConfig,
        "mmcli.stages.preprocess:preprocess",
        "show_stage",
        (_RAW,),
        STAGES,
        (
            "Without --text, --image …, the kind of each column is inferred and reported. Every input is recorded as "
            "ok, missing, corrupt or skipped, with the reason. Running the command again processes only what has "
            "changed.",
            _PIPES,
        ),
        _ARTIFACT_OUTPUT,
        ("jobs", "fresh"),
        examples=(
            "mmcli preprocess animals.csv -o work/samples --target species",
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
        (
            "Nothing is trained here: networks keep their weights, and statistics such as TF-IDF are computed from the "
            "train rows only. A modality without --use gets its default extractors (marked in mmcli list extractors), "
            "which need no pretrained weights.",
            _PIPES,
        ),
        _ARTIFACT_OUTPUT,
        (*_MACHINE, "fresh"),
        examples=(
            "mmcli extract-features work/samples -o work/features",
            "mmcli extract-features work/samples -o work/features --use name=tfidf:ngrams=1-2 --use photo=hog",
        ),
        reads=("preprocess",),
        writes="features",
    ),
    StageSpec(
        "fuse",
        "Scale the features of all modalities and set the fusion method.",
        FuseConfig,
        "mmcli.stages.fuse:fuse",
        "show_stage",
        (
            Argument(
                "sources",
                "Artifacts of extract-features, joined by id, or - for rows on standard input.",
                many=True,
            ),
        ),
        STAGES,
        (
            "Static methods write fused features. Learnt methods are trained by train as part of the network. Late "
            "methods combine the predictions of one model per modality. mmcli list fusion shows the kind of each. "
            "Every method handles missing modalities.",
            _PIPES,
        ),
        _ARTIFACT_OUTPUT,
        ("jobs", "fresh"),
        examples=(
            "mmcli fuse work/features -o work/fused --method gated",
            "mmcli fuse work/photo-features work/text-features -o work/fused",
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
                "Artifact of fuse, or one or several of preprocess and extract-features (joined by id), or - for rows "
                "on standard input.",
                many=True,
            ),
        ),
        STAGES,
        (
            "Keeps the epoch that is best on the val split; never uses the test split. Ctrl-C saves the best epoch so "
            "far; the same command continues from there.",
        ),
        Output("Folder for the model."),
        ("device", "deterministic", "fresh"),
        examples=(
            "mmcli train work/features -o work/model --method gated",
            "mmcli train work/samples -o work/model --encoder photo=cnn --epochs 20",
            "mmcli train work/features -o work/model --model sklearn:logistic_regression --folds 5",
        ),
        reads=_FEATURES,
        writes="model",
    ),
    StageSpec(
        "evaluate",
        "Evaluate a model on rows with known targets.",
        EvaluateConfig,
        "mmcli.stages.evaluate:evaluate",
        "show_report",
        (
            _MODEL,
            Argument(
                "sources",
                f"{_ROWS} Several artifacts are joined by id. Model folders given before the source are compared with "
                "MODEL on the same rows.",
                many=True,
            ),
        ),
        STAGES,
        (
            "Reports metrics with confidence intervals and baselines, and for every subset of up to six modalities. "
            "With several models, paired tests say which is better.",
        ),
        Output(
            "Folder for the report (report.html, metrics.json …); with several models, a subfolder for each.",
            required=False,
            default_text="print only",
        ),
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
        "Make predictions for new rows.",
        PredictConfig,
        "mmcli.stages.predict:predict",
        "show_answers",
        (_MODEL, Argument("source", _ROWS)),
        STAGES,
        (
            "Each prediction has the row's id, the answer (label, labels, value, caption or cluster) with "
            "probabilities, the modalities used, and why others were not. Predictions are in input order.",
            "JSON Lines on standard input are answered one by one as they arrive; an invalid line gets an error "
            "record, and the exit code is then 3.",
        ),
        Output(
            "File to write (.jsonl, .csv or .parquet), or a folder with --explain inputs.",
            required=False,
            metavar="FILE|FOLDER",
            default_text="print JSON Lines",
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
        "Run the stages of a pipeline file, skipping those that are up to date.",
        RunConfig,
        "mmcli.stages.pipeline:run",
        "show_run",
        (
            Argument(
                "pipeline",
                "YAML file with a source and stages; sample_data/pipeline.yaml is an example.",
                is_path=True,
            ),
        ),
        AROUND,
        (
            "Each stage takes the options of its command, without the dashes. seed, device, precision and "
            "deterministic can also be set once for all stages.",
            "Sources in the file are relative to the file, and its output to the working folder. mmcli schema prints a "
            "JSON Schema of such files for editors.",
        ),
        Output("Folder for all artifacts.", required=False, default_text="the file's key output, or work"),
        ("jobs", "fresh"),
        ("plugin", "json", "quiet", "debug"),
        examples=("mmcli run pipeline.yaml", "mmcli run pipeline.yaml -o elsewhere"),
    ),
    StageSpec(
        "compare",
        "Train with several fusion methods and seeds, and rank the methods.",
        CompareConfig,
        "mmcli.stages.compare:compare",
        "show_comparison",
        (
            Argument(
                "sources",
                "Artifact of preprocess or extract-features (several are joined by id), or - for rows on standard "
                "input.",
                many=True,
            ),
        ),
        AROUND,
        (
            "Compares every method with the best single modality on the val split; never uses the test split. Writes a "
            "table, a figure and every run's predictions. Takes most options of train.",
            "Finished runs are reused: run the same command again after Ctrl-C, or with one more --method.",
        ),
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
        "Check a table before preprocess: columns, files, disk space and time needed.",
        CheckConfig,
        "mmcli.stages.check:check",
        "show_check",
        (_RAW,),
        AROUND,
        (
            "Reads the table, decodes the files of a random sample of its rows, and writes nothing. Takes most options "
            "of preprocess. Exits with code 3 if more inputs are bad than --max-errors allows.",
        ),
        None,
        ("jobs",),
        examples=("mmcli check animals.csv", "mmcli check animals.csv --image photo --target species --all"),
    ),
    StageSpec(
        "list",
        "List extractors, encoders, fusion methods, models, tasks and augmentations.",
        ListConfig,
        "mmcli.stages.names:list_names",
        "show_list",
        (
            Argument(
                "what",
                "What to list.",
                default="all",
                choices=LISTS,
            ),
        ),
        AROUND,
        shell=("plugin", *_LOOKS),
        examples=("mmcli list fusion", "mmcli list encoders --verbose"),
    ),
    StageSpec(
        "schema",
        "Print the JSON Schema of pipeline files, for completion and checks in editors.",
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
        "Build a search index of rows with a retrieval model.",
        IndexConfig,
        "mmcli.stages.index:index",
        "show_stage",
        (_MODEL, Argument("source", _ROWS)),
        RETRIEVAL,
        (_RETRIEVES, _PIPES),
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
        (
            _MODEL,
            Argument(
                "queries",
                "Texts to search for, or MODALITY=VALUE (a value or a file path). Optional with --query-image.",
                many=True,
                optional=True,
            ),
        ),
        RETRIEVAL,
        (f"Prints one JSON object per row found, closest first. {_RETRIEVES}",),
        _ANSWERS,
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
        "List missing, corrupt and skipped inputs, with the reasons.",
        LedgerConfig,
        "mmcli.stages.ledger:ledger",
        "show_rows",
        (_FOLDER,),
        RESULTS,
        shell=_LOOKS,
        examples=("mmcli ledger work/samples --count", "mmcli ledger work/samples --status corrupt --json"),
    ),
    StageSpec(
        "report",
        "Write the page of a report, model or comparison, or of several side by side.",
        ReportConfig,
        "mmcli.stages.report:report",
        "show_page",
        (Argument("folders", "Folders written by evaluate, train or compare.", many=True),),
        RESULTS,
        ("The page is one file that opens offline. evaluate and compare write it into their folders as report.html.",),
        Output("File to write: .html, or .md for Markdown (one folder only).", metavar="FILE"),
        shell=("json", "quiet", "debug"),
        examples=("mmcli report work/model -o model.html", "mmcli report work/report work/other -o both.html"),
    ),
    StageSpec(
        "verify",
        "Check that the files of an artifact still match their recorded hashes.",
        VerifyConfig,
        "mmcli.stages.verify:verify",
        "show_differences",
        (_FOLDER,),
        RESULTS,
        ("Lists what has changed; exits with code 4 if anything has.",),
        shell=("json", "quiet", "debug"),
        examples=("mmcli verify work/model", "mmcli verify work/samples --media"),
    ),
    StageSpec(
        "clean",
        "List the leftovers of interrupted runs; --yes deletes them.",
        CleanConfig,
        "mmcli.stages.clean:clean",
        "show_leftovers",
        (Argument("folder", "Folder to search, including subfolders.", default=".", is_path=True),),
        RESULTS,
        (
            "The interrupted command would resume from these leftovers; after clean --yes it starts over. Files of "
            "running commands are kept.",
        ),
        shell=_LOOKS,
        examples=("mmcli clean", "mmcli clean work --yes"),
    ),
)
CATALOGUE: Mapping[str, StageSpec] = {spec.name: spec for spec in _ALL}
