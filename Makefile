# Two commands do it all: `make demo` and `make test`.

SHELL := /bin/bash
STAGE := tools/stage.sh
IMAGES ?= images
TARGET := $(or $(CARGO_TARGET_DIR),target)
FLASH := $(abspath $(TARGET)/release/kraken-flash)
# Quicker to build, as quick to bake (docs/performance.md).
DEMO := $(abspath $(TARGET)/demo/kraken-flash)
# The caches stay this user's, also what root puts there.
CACHE := $(or $(KRAKEN_FLASH_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kraken-flash)
# Composing the debian base needs root, once: sudo is asked for only when the cache has none.
define COMPOSE
mkdir -p "$(CACHE)"; \
if ! $(1) fetch --base debian --offline --quiet 2>/dev/null; then \
  if [ "$$(id -u)" -eq 0 ]; then $(STAGE) "debian base" $(1) fetch --base debian; \
  else $(STAGE) "debian base" sudo --preserve-env=KRAKEN_FLASH_DEBIAN_MIRROR,http_proxy,https_proxy \
         env KRAKEN_FLASH_CACHE="$(CACHE)" $(1) fetch --base debian; status=$$?; \
       sudo chown -hR "$$(id -u):$$(id -g)" "$(CACHE)"; exit $$status; fi; fi
endef

# Stages follow one another, also under `make -j`.
.NOTPARALLEL:

# Of `make fuzz`: seconds for each target, and which. Bash has a variable SECONDS of its own, so only the command line counts.
ifneq ($(origin SECONDS),command line)
SECONDS := 60
endif
TARGETS ?= $(patsubst fuzz/fuzz_targets/%.rs,%,$(sort $(wildcard fuzz/fuzz_targets/*.rs)))

.PHONY: help demo base images build test test-stages test-full test-fast test-whole test-build test-examples test-base test-all test-images test-root test-swarm test-qemu lint clean bench bench-cards bench-swarm fuzz book release setup-demo setup-test setup-lint setup-fuzz setup-bench setup-book setup-release

help:
	@echo "make demo   install what is needed, build, compose a Debian base, bake seven images into $(IMAGES)/, check them"
	@echo "make test   install what is needed and run every test: fast ones, those on a real base, those that need root, those on real dockerds, those that boot in QEMU"
	@echo "make test-full  all that, and what takes longest: seven nodes, broken cards and a Pi 3B in QEMU, and more"
	@echo "make lint   formatting, clippy, shellcheck, licences, layers of the workspace, links, words, spelling, documentation"
	@echo "make bench  measure it beside the tools one would take instead (PARTS=\"raw reflink patches cold docker\"; first-boot, in QEMU, only by name)"
	@echo "make bench-swarm  how soon seven nodes are a swarm, beside Docker's own commands (root)"
	@echo "make bench-cards  how long a card takes, beside dd, xz | dd and bmaptool (root)"
	@echo "make fuzz   run each fuzz target for SECONDS=60"
	@echo "make book   docs/ as a site in target/book"
	@echo "make release  static programs, .debs and tarballs, tested on Debian's releases (docs/release.md; RELEASE=\"--build-std\" and the like)"
	@echo "make clean  remove what was built; caches in $(CACHE) stay"

setup-demo setup-test setup-lint setup-bench setup-fuzz setup-book setup-release: setup-%:
	@$(STAGE) "set-up for $*" tools/setup.sh $*

build:
	@$(STAGE) build cargo build --release --locked

base: setup-demo build
	@$(call COMPOSE,$(FLASH))

demo: setup-demo
	@$(STAGE) build cargo build --profile demo --locked
	@$(call COMPOSE,$(DEMO))
	@$(STAGE) "bake seven images" $(DEMO) build --base debian -o $(IMAGES)
	@$(STAGE) "verify the images" $(DEMO) verify $(IMAGES)
	@$(STAGE) plan $(DEMO) plan --base debian

test:
	@tools/stages.sh test $(MAKE) --no-print-directory test-stages

test-stages: setup-test test-build test-examples test-base test-all

# With the features that the tests bring: without them nearly everything would be compiled twice.
test-build:
	@$(STAGE) "build for tests" cargo nextest run --locked --workspace --no-run

# The examples on the crates' pages.
test-examples: test-build
	@$(STAGE) "examples in the documentation" cargo test --locked --workspace --doc --quiet

# Composed here and not by a test, so that `sudo` may ask and the time is seen.
test-base: test-build
	@$(call COMPOSE,$(abspath $(TARGET)/debug/kraken-flash))

# All stages in one run, three threads for each core (.config/nextest.toml).
test-all:
	@$(STAGE) "tests" tools/all-tests.sh

# Two threads for each core: many of these tests wait.
test-fast:
	@$(STAGE) "fast tests" cargo nextest run --locked --workspace --profile fast --test-threads $$((2 * $$(nproc))) --no-tests=fail

test-whole:
	@$(STAGE) "tests of the whole program" cargo nextest run --locked --workspace --profile whole --no-tests=fail

test-images:
	@$(STAGE) "tests on the debian base" cargo nextest run --locked --workspace --profile base --no-tests=fail

test-root:
	@$(STAGE) "tests that need root" cargo nextest run --locked --workspace --profile root --no-tests=fail

test-swarm:
	@$(STAGE) "tests on real dockerds" cargo nextest run --locked --workspace --profile swarm --no-tests=fail

test-qemu:
	@$(STAGE) "tests that boot images" cargo nextest run --locked --workspace --profile qemu --no-tests=fail

# Beyond `make test`: the seven-node cluster, three nodes where there is room for two, broken cards, a board, a kernel without virtio, and slow first boots.
test-full: test
	@$(STAGE) "tests that boot whole clusters" cargo nextest run --locked --workspace --profile full --no-tests=fail

lint: setup-lint
	@$(STAGE) formatting cargo fmt --all --check
	@$(STAGE) clippy cargo clippy --locked --workspace --all-targets -- -D warnings
	@$(STAGE) "scripts of a node" shellcheck --shell=sh templates/kraken-status templates/kraken-led templates/kraken-configure templates/kraken-grow crates/guest/src/fallback/init crates/testkit/src/pi_os/*/grow crates/testkit/src/pi_os/*/first-boot crates/testkit/src/pi_os/*/firstboot crates/testkit/src/pi_os/*/swap crates/testkit/src/own/look
	@$(STAGE) "scripts of a release" shellcheck tools/rust-src.sh tools/release-test.sh tools/release-test-inside.sh
	@$(STAGE) "licences, bans, sources" cargo deny --workspace check licenses bans sources
	@$(STAGE) layers cargo xtask layers
	@$(STAGE) links cargo xtask links
	@$(STAGE) words cargo xtask words
	@$(STAGE) spelling target/lint-tools/bin/typos --config .config/typos.toml
	@$(STAGE) documentation env RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --workspace
	@echo "security advisories need a download; where the network allows it, run: cargo deny check advisories"

# The debian base is the default; KRAKEN_BENCH_BASE names another one.
bench: $(if $(KRAKEN_BENCH_BASE),setup-bench,base setup-bench)
	@$(STAGE) bench cargo bench --locked --bench images -- $(PARTS)

# As root.
bench-swarm: base setup-test
	@$(STAGE) "bench of swarms" cargo bench --locked --bench swarm

# As root.
bench-cards: base setup-bench
	@$(STAGE) "bench of cards" benches/cards.sh $(FLASH) $(PARTS)

# Coverage counters need an unstable flag, which RUSTC_BOOTSTRAP opens on stable; all code is safe Rust, so no sanitizer is needed.
# Compiled in half the time of a release, and little slower: the counters cost most of it.
fuzz: setup-fuzz
	@set -e; for target in $(TARGETS); do \
	  $(STAGE) "fuzz $$target" env RUSTC_BOOTSTRAP=1 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG=line-tables-only \
	    cargo fuzz run --features fuzzer --target-dir "$(TARGET)/fuzz" --sanitizer none $$target -- -max_total_time=$(SECONDS) -len_control=0 -max_len=2000 -timeout=20 -rss_limit_mb=1024 -print_final_stats=1; \
	done

book: setup-book
	@$(STAGE) book mdbook build

release: setup-release
	@$(STAGE) release cargo xtask release $(RELEASE)

clean:
	cargo clean
	rm -rf $(IMAGES)
