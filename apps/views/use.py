"""Let a model look at new pictures: ?run=ID (or ?model=...), ?answer=ID shows what it said."""

from apps.parts import answered, asking, deleting, frame, picking, taking

frame.heading("Use", "Let a model look at new pictures, here or in a programme of your own.")
deleting.undo()
if answer := answered.of_address():
    answered.show(answer)
else:
    model = picking.model()
    if model:
        asking.pictures(model)
        answered.earlier(model.run)
        taking.along(model)
    else:
        answered.earlier()
