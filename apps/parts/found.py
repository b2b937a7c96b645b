"""What is wrong with data, finding by finding: the pictures that show it, and what one click does about them."""

from functools import partial

import streamlit as st

from apps.parts import decide
from apps.parts.grid import grid
from apps.parts.plain import plain
from toolkit.errors import plain as printable
from toolkit.runs import checks

COLOURS = {"error": "red", "warning": "orange", "note": "gray"}
ICONS = {"error": ":material/error:", "warning": ":material/warning:", "note": ":material/info:"}
AT_ONCE = 5     # warnings whose pictures are shown unasked: many pictures take a browser long
SMALL = 12      # pictures of a finding at a time
BUNDLES = 6     # bundles of a finding at a time,
FEW, WIDE = 4, 12   # pictures of one, two of which fit beside each other; that are shown
ALONE = ("dark", "white", "blurred", "low information", "tiny", "odd sizes", "outliers")  # a picture may go by itself
CONFLICTS = ("label conflicts", "near duplicates in several classes")   # where one of the labels is wrong
COPIES = ("duplicates", "near duplicates")  # of which one may stay
NEAR = "near duplicates"                    # which may be kept on one side of the split
MOST = 500      # decisions by one press


def page(seen):
    """All findings, gravest first."""
    if not seen.findings:
        st.success("Nothing is wrong with these data.", icon=":material/check_circle:")
    rows = {picture.path: picture.row for picture in seen.pictures}
    for number, one in enumerate(seen.findings):
        with st.container(border=True, key=f"data-finding-{number}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.badge(one.severity, icon=ICONS[one.severity], color=COLOURS[one.severity])
                st.markdown(f"**{plain(one.check)}**")
            st.markdown(plain(one.sentence))
            if one.remedy:
                st.caption(plain(one.remedy))
            shown(seen, number, one, rows)


def shown(seen, number, one, rows):
    """The pictures of a finding: at once for the first warnings, on demand for what comes later and for a note."""
    known = [rows[path] for path in one.pictures if path in rows]
    if not known:
        return
    words = "1 picture" if len(known) == 1 else f"{len(known):,} pictures"
    unasked = one.severity != "note" and number < AT_ONCE
    place = st.expander(words, unasked, key=f"data-finding-{number}-pictures", on_change="rerun")
    if not place.open:
        return
    with place:
        bundles = [[seen.pictures[rows[path]] for path in bundle if path in rows] for bundle in one.bundles]
        if bundles:
            together(seen, number, one, [bundle for bundle in bundles if len(bundle) > 1])
        elif one.suggested:
            doubted(seen, number, one, rows)
        else:
            decide.pictures(seen, known, f"finding-{number}", SMALL)
            if one.check in ALONE and len(known) <= MOST:
                st.button(f"Leave out {words}" if len(known) > 1 else "Leave it out", key=f"data-finding-{number}-out",
                          icon=":material/visibility_off:", on_click=decide.leave_out, args=(seen, tuple(known)))


def together(seen, number, one, bundles):
    """Bundles of pictures side by side, a page at a time, each with what may be done about it by one click."""
    key = f"finding-{number}"
    slot, page = st.container(), decide.paged(key, len(bundles), BUNDLES)
    among = [picture.row for bundle in bundles for picture in bundle]
    first, last = (page - 1) * BUNDLES, min(page * BUNDLES, len(bundles))
    beside = 2 if last - first > 1 and all(len(bundle) <= FEW for bundle in bundles[first:last]) else 1
    with slot:
        for start in range(first, last, beside):
            for place, column in enumerate(st.columns(beside), start):
                if place < last:
                    with column.container(border=True):
                        card(seen, f"data-{key}-{place}", one.check, bundles[place], among)
    if one.check in COPIES and len(bundles) > 1:
        everywhere(seen, key, one.check, bundles)


def card(seen, key, check, together, among):
    """One bundle and its buttons."""
    items = [decide.item(seen, picture) | {"caption": f"{picture.label} · {decide.PARTS.get(picture.part, 'no part')}"}
             for picture in together[:WIDE]]
    decide.choose(grid(items, f"{key}-grid", selected=st.query_params.get("picture"),
                       label=f"{len(together)} pictures that belong together"), among)
    if len(together) > WIDE:
        st.caption(f"The first {WIDE} of {len(together):,}.")
    with st.container(horizontal=True):
        for place, (words, icon, what) in enumerate(offers(seen, check, together)):
            st.button(words, icon=icon, key=f"{key}-{place}", on_click=decide.keep_all, args=(seen.decisions, what),
                      disabled=not what)
        stands = [picture for picture in together if picture.path in seen.decisions.standing]
        if stands:
            st.button("Take back", icon=":material/undo:", key=f"{key}-back", on_click=decide.keep_all,
                      args=(seen.decisions, [(picture, "undo", "") for picture in stands]))


def offers(seen, check, bundle):
    """(words, icon, decisions) of the buttons under a bundle; no decisions: nothing is left to be done by it."""
    if check in CONFLICTS:
        for label in list(dict.fromkeys(picture.label for picture in bundle if picture.label))[:4]:
            yield (f"All are {plain(printable(label))}", ":material/label:",
                   [(picture, "relabel", label) for picture in bundle if seen.decisions.label(picture) != label])
        yield "Leave all out", ":material/visibility_off:", leaving(seen, bundle)
    if check in COPIES:
        yield "Keep the largest only", ":material/filter_1:", copies(seen, bundle)
    if check == NEAR:
        yield "Keep together", ":material/link:", binding(seen, bundle)


def leaving(seen, pictures):
    """The decisions that leave some pictures out."""
    return [(one, "exclude", "") for one in pictures if seen.decisions.of(one)[0] != "left out"]


def copies(seen, bundle):
    """The decisions that leave all but the largest out."""
    return leaving(seen, checks.copies(bundle))


def binding(seen, bundle):
    """The decisions that keep a bundle on one side of the split."""
    return [(one, "regroup", group) for one, group in checks.together(seen.pictures, bundle).items()
            if seen.decisions.group(one) != group]


def everywhere(seen, key, check, bundles):
    """One button for all bundles of a finding; what it decides is found when it is pressed."""
    ways = [("Keep the largest of each", ":material/filter_1:", copies, sum(map(len, bundles)) - len(bundles))]
    if check == NEAR:
        ways.append(("Keep each together", ":material/link:", binding, sum(map(len, bundles))))
    with st.container(horizontal=True):
        for place, (words, icon, what, most) in enumerate(ways):
            if most <= MOST:
                st.button(words, icon=icon, key=f"data-{key}-all-{place}", on_click=of_each,
                          args=(seen, what, bundles), help="All of it can be undone by one press.")


def of_each(seen, what, bundles):
    """Decide about all bundles: what(seen, bundle) says which decisions."""
    decide.keep_all(seen.decisions, [one for bundle in bundles for one in what(seen, bundle)])


def doubted(seen, number, one, rows):
    """Labels that look wrong, the surest first; one click gives a picture the class that it looks like."""
    key = f"finding-{number}"
    known = [rows[path] for path in by_score(one) if path in rows]
    slot, page = st.container(), decide.paged(key, len(known), SMALL)
    with slot:
        items = [doubt(seen, seen.pictures[row]) for row in known[(page - 1) * SMALL:page * SMALL]]
        decide.choose(grid(items, f"data-{key}-grid", selected=st.query_params.get("picture"),
                           act=partial(settle, seen)), known)
    st.caption("A click on a picture shows it large. Look before you agree: a rare but true case looks wrong too.")


def by_score(one):
    """The pictures of a finding, the highest score first."""
    if not one.scores:
        return one.pictures
    return [path for _, path in sorted(zip(one.scores, one.pictures), key=lambda pair: -pair[0])]


def doubt(seen, picture):
    """A picture whose label is doubted, as the grid wants it."""
    cell, (better, score) = decide.item(seen, picture), seen.doubts.get(picture.path, ("", None))
    said = decide.doubted(picture, better, score)
    if not better or better == picture.label:
        return cell
    if picture.path in seen.decisions.standing:
        return cell | {"action": "Take back", "alt": f"{said}: {picture.path}"}
    likely = f", {100 * (1 - score):.0f} % likely" if score is not None and 0 <= score <= 1 else ""
    return cell | {"badge": f"{better}?", "tone": "orange", "action": f"It is {better}",
                   "caption": f"{picture.label}{likely}", "alt": f"{said}: {picture.path}"}


def settle(seen, row):
    """Agree that a picture's label is wrong, or take back what was decided about it."""
    if not (row.isdecimal() and int(row) < len(seen.pictures)):
        return
    picture = seen.pictures[int(row)]
    better, _ = seen.doubts.get(picture.path, ("", None))
    if picture.path in seen.decisions.standing:
        decide.keep_all(seen.decisions, [(picture, "undo", "")])
    elif better:
        decide.keep_all(seen.decisions, [(picture, "relabel", better)])
