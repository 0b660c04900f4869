# deqfleet needs Node 20.19 or later and make; everything else is installed by these targets.

DEMO = out/demo
RESTORE = node dist/cli/main.js restore
# Ten steps keep the demonstration short on a small machine; 25 is the default.
DEMO_FLAGS = --simulate --workers 4 --plan time-parallel --steps 10 --contact-sheet

.PHONY: demo test test-faults check build bench models clean

demo: build
	$(RESTORE) 'photos/*.png' --task sr-average --scale 4 --out $(DEMO)/super-resolution $(DEMO_FLAGS)
	$(RESTORE) 'photos/*.png' --task inpaint --mask photos/masks/scratches.png --out $(DEMO)/inpainting $(DEMO_FLAGS)
	@echo
	@echo "Look at:"
	@for task in super-resolution inpainting; do \
	  echo "  before and after   $(CURDIR)/$(DEMO)/$$task/contact-sheet.png"; \
	  echo "  restored pictures  $(CURDIR)/$(DEMO)/$$task/*.png"; \
	  echo "  report             $(CURDIR)/$(DEMO)/$$task/report.json"; \
	done

# Writes the default prior anew from its checkpoint: models/prior.onnx and its card models/prior.json.
models: build
	node dist/cli/main.js model import models/prior.pt --arch models/prior.yaml --licence "weights: CC0; made for this project" --out models/prior.onnx --force

# The whole suite. The last line reads: N passed, N failed, N skipped.
test: build
	node_modules/.bin/vitest run

# Two hundred pictures through thirty faults; a part of the whole suite, too. DEQFLEET_FAULT_SEED=N: other moments and victims.
test-faults: build
	node_modules/.bin/vitest run test/faults

# Lint, format and types.
check: node_modules/.installed
	node_modules/.bin/biome ci .
	node_modules/.bin/tsc -p tsconfig.test.json

build: node_modules/.installed
	npm run --silent build

bench: build
	node dist/cli/main.js bench rounds
	node dist/bench/overhead.js

# Not `npm ci`: it refuses a lock file made where optional packages of other platforms could not be had.
node_modules/.installed: package.json package-lock.json .npmrc
	npm install --no-save --loglevel=error
	@touch $@

clean:
	rm -rf dist out node_modules
