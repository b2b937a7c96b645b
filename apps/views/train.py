"""TRAIN: what will be trained on, at most five questions, what it will cost, its command, and the start."""

import streamlit as st

from apps.parts import costs, form, frame, plan

frame.heading("Train", "The network learns your classes; what it has learnt is then measured on pictures that it has "
              "not seen.")
source = plan.asked()
if source is None:
    plan.offered()
    st.stop()
form.fill(source.name, source.wish)
seen, data = plan.facts(source), source.wish.get("data", "")
left, right = st.columns([3, 2], gap="large")
cost = costs.begun({"data": data, **form.values()}, seen)
with left:
    form.preset(costs.words(cost))
    plan.groups(source, seen)
    form.network()
    form.device()
    name = plan.run_name(source)
    form.advanced()
wish = {"data": data, **form.values()}
with right, st.container(border=True):
    plan.summary(source, seen)
    costs.shown(cost, wish, seen)
    plan.begin(wish, name)
