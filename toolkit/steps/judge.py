"""Between the steps: the doctor once more, by what a frozen network sees: labels in doubt, pictures unlike others."""

from dataclasses import fields

import numpy as np

from toolkit import options
from toolkit.doctor.findings import SEVERITIES, Case, Finding
from toolkit.errors import DataError, UntrustedError

CLASSES = ("classification", "ordinal")  # tasks whose labels can be in doubt
LOOKING = "Looking for wrong labels and for pictures unlike the others."


def check(chosen):
    """Refuse, before any picture is read, what a look is asked to see the pictures by and is not there."""
    from toolkit.steps import learn

    if not chosen.no_features:
        learn.check(like_a_run(chosen))


def like_a_run(chosen):
    """The options of a run that would see the pictures as the look `chosen`, an options.Check, does."""
    known = {f.name for f in fields(options.Finetune)}
    shared = {f.name: getattr(chosen, f.name) for f in fields(chosen) if f.name in known}
    return options.Finetune(**shared, probe_only=True)


def looked(chosen, case, task, store, run, progress):
    """Add to the findings of a look what wants a network, or a note that its weights are not to be had."""
    from toolkit.steps import learn
    from toolkit.training import device

    if chosen.no_features:
        return
    asked = like_a_run(chosen)
    try:
        learn.at_hand(asked, run.say)
        device.before_import(asked.device)
        run.note(device=device.use(asked.device))
        net = learn.network(asked, case, task, run)
    except (DataError, UntrustedError) as error:
        case.findings.append(missing(chosen, error))
        return
    seen = learn.features(asked, case, net, store, run, progress)
    again(chosen, case, seen, None, progress)


def missing(chosen, error):
    """The note that no network could look."""
    why = "are damaged" if isinstance(error, UntrustedError) else "are not here and cannot be had"
    return Finding("features", "note", (), "Wrong labels and outliers were not looked for: the ImageNet weights of "
                   f"{chosen.backbone} {why}.", "Let this computer reach the network once, or give --weights FILE; "
                   "--no-features leaves them out.")


def again(chosen, case, seen, fitted, progress):
    """Add the findings that want `seen`, features.frozen.Frozen, to the others of `case` -> the new ones.

    fitted: features.probe.Probe whose penalty is taken; None looks for one. Test pictures are looked at as well:
    nothing that is trained, chosen or measured depends on what is found.
    """
    from toolkit.doctor import labels, outliers

    looked_at = at(chosen, case, seen, fitted, progress.start("judge", LOOKING))
    found = [finding for check in (*labels.CHECKS.values(), *outliers.CHECKS.values()) for finding in check(looked_at)]
    case.findings = sorted([*case.findings, *found], key=lambda finding: SEVERITIES.index(finding.severity))
    return found


def at(chosen, case, seen, fitted, step=None):
    """doctor.findings.Case with `seen`; arguments as of `again`."""
    from toolkit.doctor import labels
    from toolkit.doctor import seen as sight
    from toolkit.features.held_out import Penalty

    rows, named = case.samples.rows, case.samples.task in CLASSES
    measured = sight.measured(seen.pooled, case.numbers if named else np.zeros(len(rows), int),
                              case.classes if named else [], rows["bound"].to_numpy(),
                              labels.copies_of(Case(rows, near=case.near)),
                              fitted and Penalty(fitted.strength, fitted.power), chosen.seed, step)
    return Case(rows, near=case.near, seen=measured)
