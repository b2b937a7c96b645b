PYTHON ?= $(shell command -v python3.11 || command -v python3)
RUN_TESTS = .venv/bin/python -m pytest
TOGETHER = -n 2 --dist worksteal

.PHONY: demo test app clean

demo: .venv/demo  ## environment, then the main job on built-in sample data
	.venv/bin/python -m toolkit.finetune sample:cells

test: .venv/test  ## environment, then the tests, those in a browser, and the core tests on the second backend
	$(RUN_TESTS) $(TOGETHER) --ignore tests/browser
	$(RUN_TESTS) -n 2 --dist loadgroup tests/browser
	KERAS_BACKEND=jax $(RUN_TESTS) $(TOGETHER) $(CORE)

app: .venv/demo  ## environment, then the dashboard in the browser
	.venv/bin/python -m toolkit.dashboard

# On the second backend: what computes. Counts, sizes compiled anew and files refused unread cost minutes and say no more.
CORE = tests/features tests/training tests/tasks tests/explain tests/test_artifact.py \
       tests/backbones/test_every_backbone.py \
       -k "not facts_equal and not any_size and not keras_json and not I5 and not G5 and not I9 \
           and not slope_a_channel and not differ_by_their_projections \
           and not every_kind_of_network and not test_devices and not test_store"

.venv/demo: requirements.txt pyproject.toml
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --disable-pip-version-check -q -e .
	touch $@

.venv/test: .venv/demo requirements-test.txt requirements-dicom.txt requirements-nifti.txt
	.venv/bin/python -m pip install --disable-pip-version-check -q \
		-r requirements-test.txt -r requirements-dicom.txt -r requirements-nifti.txt
	touch $@

clean:
	rm -rf .venv .cache
