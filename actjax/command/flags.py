"""The flags of the command line, each with what it means."""

from absl import flags
from ml_collections import config_flags

CONFIG = config_flags.DEFINE_config_file(
    "config", None, "A file with get_config(), or the name of one of actjax's; the quickstart by default."
)
WORKDIR = flags.DEFINE_string(
    "workdir", None, "Where results go; runs/<config's name> by default, of a quick run with _quick behind."
)
STAGE = flags.DEFINE_string("stage", "all", "all (data, train, score, findings, atlas, report) or one stage.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where prepared data sets live; TFDS's default otherwise.")
LIST = flags.DEFINE_string(
    "list", None, "Print what there is, and exit: metrics, features ...; metrics:cka says all of one."
)
QUICK = flags.DEFINE_bool(
    "quick", False, "A short run for a look: fewer steps, features and replicates; obstacles are answered."
)
DRY_RUN = flags.DEFINE_bool("dry_run", False, "Say what would run (pairs, memory, disk, time), and exit.")
CLEAN = flags.DEFINE_list(
    "clean", None, "'list' the prepared copies of the data set, or remove those that are named; and exit."
)
COMPILATION_CACHE = flags.DEFINE_string(
    "compilation_cache", None, "Where compiled programs are kept; 'off'; the user's cache folder otherwise."
)
COORDINATOR = flags.DEFINE_string("coordinator", None, "host:port of process 0, or 'auto' (Slurm, TPU pods).")
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes run together.")
PROCESS_ID = flags.DEFINE_integer("process_id", None, "This process's number, from 0.")
PROFILE = flags.DEFINE_bool("profile", False, "Trace 20 training steps with JAX, in <workdir>/profile.")
TRACEBACK = flags.DEFINE_bool("traceback", False, "Show where an error came from.")
VERSION = flags.DEFINE_bool("version", False, "Print the versions of actjax, JAX and Python, and exit.")
