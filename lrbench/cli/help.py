"""What `--help` says of lrbench, of `check`, `plot` and `sweep`, without Hydra, which needs a second for it."""

import yaml

from lrbench import CONF
from lrbench.cli.flags import FLAGS, OWN
from lrbench.config.named import listing

PLOT = """usage: lrbench plot [group=level ...] [key=value ...] [-m] [out=FILE] [plot.scale=log] [--json]

Draw the schedule of an experiment before any compute is spent: a chart in the terminal, and a picture in a file. It
takes what `lrbench train` takes, trains nothing, and refuses what training would refuse, in the same words. What is
drawn is the very table of rates that training uses: a rate for every update, a curve for every parameter group, and the
momentum and weight decay that a schedule moves; over epochs and updates, with warmup and phases marked. With -m, the
jobs of a grid are drawn in one picture.

  out=FILE         the picture, by its ending .png, .svg or .pdf (default: results/plots/ID.png); or .html: one page
                   that loads nothing, in which to point at curves, hide them, switch the axes
  plot.scale=log   a logarithmic axis for the rate (default: linear)
  group=level      what is drawn: scheduler, warmup, optimizer, data, recipe, ... (lrbench --help lists them)
  key=value        options: horizon=20ep, optimizer.lr=0.2, scheduler.interval=batch, scheduler.args.gamma=0.5
  --json           on stdout instead of the chart: facts, phases, and the rates at the updates that are drawn (every
                   one of a short table; of a long one those between which straight lines pass within `within` of each
                   rate, and both sides of every step); a picture only with out=FILE

Area is the sum of the rates as a share of the peak all along: what a schedule spends.

examples
  lrbench plot scheduler=onecycle horizon=20ep
  lrbench plot scheduler=multistep warmup=linear5 out=lr.svg
  lrbench plot -m scheduler=step,cosine warmup=none,linear5 out=lr.html
  lrbench plot recipe=cnn_modern_tiny optimizer.lr=0.2 plot.scale=log
  lrbench plot param_groups=backbone_head 'scheduler.args.eta_min={backbone: 1e-6, head: 0.01x}'
  lrbench plot scheduler=wsd warmup=linear_5pct --json

Exit codes: 0 drawn, 2 bad usage (one paragraph says which option, and the cure)."""

CHECK = """usage: lrbench check [group=level ...] [key=value ...] [-m] [--json] [--sarif FILE]
       lrbench check --rates FILE.csv [OVERRIDE ...]                 rates that any training logged

Look for mistakes in a schedule before any compute is spent: on the very rates that training would use, and on what the
model, the data and the optimizer are. It takes what `lrbench train` takes and trains nothing. With -m, all jobs of a
grid are checked.

  error     cannot be meant, or breaks training for sure
  warning   most often costs accuracy or compute
  note      worth knowing

A finding shows the numbers of this schedule, a cure to add to the command (it was tried: with it the finding is gone,
and no error or warning is new), and the claim that it rests on with what became of it (`lrbench claims show ID`). Of a
claim that did not hold the finding is a note.

flags
{flags}

`train`, `plot` and every plan of a sweep tell errors and warnings first. strict=true stops on them before anything is
trained. What is meant is accepted by its id, with a reason: '+accepts={{ID: REASON}}', or `accepts:` in a
recipe.

examples
  lrbench check scheduler=cosine warmup=linear5
  lrbench check scheduler=onecycle scheduler.interval=epoch
  lrbench check -m scheduler=step,cosine warmup=none,linear5
  lrbench check recipe=vit warmup=none --json
  lrbench check recipe=cnn_modern --sarif findings.sarif       for code scanning in CI

Exit codes: 0 no error, 1 an error that is not accepted, 2 bad usage (one paragraph says which option, and the cure)."""

SWEEP = """usage: lrbench sweep NAME [flags] [group=level ...] [key=value ...]
       lrbench sweep                                        list the sweeps that have a name

Train a grid of runs that has a name: a file conf/sweep/NAME.yaml, or DIR/sweep/NAME.yaml of your own with --config-dir
DIR. Overrides after the name come after those of the file: seed=7 puts one seed in place of its seeds. (Any other grid:
lrbench -m scheduler=constant,cosine seed=0,1,2.) A sweep is planned first, and what is done is not trained again; the
same command goes on after an interruption. `lrbench status NAME` and `lrbench report NAME` then know it by its name.

A file holds two lists of overrides: `set` with one value each, `grid` with several. Options that not all runs share
stand in `arms`, lists of overrides with a name; the sweep is the product of arms and grid, six runs here:

  # A cosine after a warmup or a plateau, three seeds.
  set: [model=mlp, horizon=20ep]
  grid: ['seed=range(3)']
  arms:
    cosine_warm: [scheduler=cosine, warmup=linear5]
    plateau: [scheduler=plateau, scheduler.args.patience=3ep]

An arm's overrides have one value each, and set what is set nowhere else. Without a file, --arm makes one.

{sweeps}

flags
{flags}

examples
  lrbench sweep tour --dry-run                    the plan: what is done, what the rest will cost
  lrbench sweep tour seed=0,1                     two of its seeds
  lrbench sweep tour horizon=9ep --name tour9     other runs: a sweep with a name of its own
  lrbench sweep tour hydra.launcher.workers=1     in this process, one run after another
  lrbench sweep tour hydra/launcher=slurm         as jobs of a cluster
  lrbench -m seed=0,1,2 --arm 'warm: scheduler=cosine warmup=linear5' --arm 'step: scheduler=step'

Exit codes: 0 every run finished, 1 one diverged or failed, 2 bad usage, 130 stopped by Ctrl-C."""


def help_of(command: str, config_dir: str | None = None) -> str:
    """A command's page: `check`, `plot` and `sweep` have their own. Raises ConfigError for a --config-dir that
    is not there."""
    if command == "plot":
        return PLOT
    if command == "check":
        return CHECK.format(flags="\n".join(f"  {flag:9}{text}" for flag, text in OWN["check"].items()))
    if command == "sweep":
        return SWEEP.format(sweeps=listing(config_dir), flags="\n".join(f"  {f:16}{text}" for f, text in FLAGS.items()))
    return _general()


def _general() -> str:
    told = yaml.safe_load((CONF / "hydra/help/lrbench.yaml").read_text())
    folders = sorted(p for p in CONF.iterdir() if p.is_dir() and p.name != "hydra")
    names = {f.name: ", ".join(sorted(p.stem for p in f.glob("*.yaml"))) for f in folders}
    sweeps, studies = names.pop("sweep"), names.pop("study")
    names.pop("claim")  # designs, which `lrbench claims` tells of
    levels = [f"{group}: {listed}" for group, listed in names.items()]
    _, _, options = (CONF / "config.yaml").read_text().partition("\n\n")
    return "\n".join(
        [
            told["header"],
            "Groups (group=level)\n",
            *levels,
            f"\nSweeps (lrbench sweep NAME): {sweeps}",
            f"Studies (lrbench compare NAME): {studies}",
            "\nFlags of sweeps\n",
            *(f"{flag:15}{text}" for flag, text in FLAGS.items()),
            "\nOptions (key=value; `--cfg job` shows those of the groups too)\n",
            options.partition("\nhydra:")[0],
            told["footer"].replace("$$", "$"),
        ]
    )
