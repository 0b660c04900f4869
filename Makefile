# deqfleet needs Node 20.19 or later and make; everything else is installed by these targets.

DEMO = out/demo
RESTORE = node dist/cli/main.js restore
# Ten steps keep the demonstration short on a small machine; 25 is the default.
DEMO_FLAGS = --simulate --workers 4 --plan time-parallel --steps 10 --contact-sheet

# Docker Compose, as a part of Docker or as a program of its own.
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
COMPOSE_PROJECT ?= deqfleet
FLEET = $(COMPOSE) -p $(COMPOSE_PROJECT) -f deploy/compose.yaml
export DEQFLEET_OUTPUT ?= $(CURDIR)/out/compose
# Containers run as whoever runs make, so that the pictures are theirs; as nobody in particular where that is root.
export DEQFLEET_USER ?= $(shell id -u | sed 's/^0$$/10001/'):$(shell id -g | sed 's/^0$$/10001/')

.PHONY: demo image compose-demo compose-down test test-faults check build bench models clean

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

# The image of all processes. Behind a proxy: make image DOCKER_BUILD_FLAGS='--network host'
image:
	docker build $(DOCKER_BUILD_FLAGS) -f deploy/docker/Dockerfile --target cpu -t deqfleet:cpu .

# Restores the sample photographs in containers: broker, coordinator, two workers. With MONITORING=1 also Prometheus and Grafana.
compose-demo: image
	install -d -m 0777 $(DEQFLEET_OUTPUT)
	$(FLEET) $(if $(MONITORING),--profile monitoring) up -d
	$(FLEET) run --rm cli submit /data/in --out /data/out/super-resolution --name demo \
	  --task sr-average --scale 4 --simulate --steps 10 --model models/prior.onnx --coordinator coordinator:7700
	$(FLEET) run --rm cli watch demo --coordinator coordinator:7700
	@echo
	@echo "Look at $(DEQFLEET_OUTPUT)/super-resolution$(if $(MONITORING), and http://127.0.0.1:3000)."
	@echo "The fleet still runs; make compose-down ends it, and forgets its jobs."

compose-down:
	$(FLEET) --profile cli --profile monitoring down -v

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
