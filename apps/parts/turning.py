"""From one picture that is shown large to the one before and the one after, by buttons and by the arrow keys."""

import streamlit as st


def turn(key, rows, row, to):
    """Two buttons around "3 of 8". rows: those that are led through, `row` among them; to(row): show another one.

    key: what the buttons' keys begin with.
    """
    at = rows.index(row)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.button("Before", icon=":material/arrow_back:", shortcut="Left", disabled=at == 0, key=f"{key}-before",
                  on_click=to, args=(rows[at - 1],))
        st.caption(f"{at + 1:,} of {len(rows):,}", width="content")
        st.button("Next", icon=":material/arrow_forward:", shortcut="Right", disabled=at + 1 == len(rows),
                  key=f"{key}-next", on_click=to, args=(rows[(at + 1) % len(rows)],))
