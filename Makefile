# `make help` lists the targets.
#
# nginx's own configure (from the package nginx-dev) says how nginx was built;
# the objects are then compiled by the rules below, so that a change rebuilds
# what includes it and nothing else. Everything is written to build/.
#
#   CXX=clang++   another compiler: build/clang++/
#   SANITIZE=1    AddressSanitizer and UBSan: build/asan/
#   O=build/mine  any other folder for the objects, the module, the tests
#   NGX_SRC=DIR   nginx's sources or headers, where they are not nginx-dev's
#   NGX_BINARY=F  the nginx that they are of; DIR/objs/nginx where it was made

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
SHELL := /bin/bash

# One job more than processors, because tests wait more than they compute.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell expr $$(nproc) + 1)
endif
MAKEFLAGS += --no-print-directory

ifeq ($(origin CXX),default)
CXX := g++
endif

MODULE := ngx_http_auth_sigra_module.so
ROOMS := phoenix postgres cache nginx nginx/conf nginx/gate nginx/endpoints

NGX_SRC ?= $(patsubst %/,%,$(dir $(firstword $(wildcard \
    /usr/share/nginx/src/configure /usr/src/nginx/configure))))
ifeq ($(filter /%,$(NGX_SRC)),)
override NGX_SRC := $(NGX_SRC:%=$(CURDIR)/%)
endif
NGX_BINARY ?= $(or $(firstword $(wildcard \
    $(NGX_SRC:%=%/objs/nginx) $(NGX_SRC:%=%/objs/angie))),nginx)

# ---- where the output goes

ifdef SANITIZE
O := build/asan
else ifneq ($(notdir $(CXX)),g++)
O := build/$(notdir $(CXX))
else
O := build
endif

# ---- sources and objects

SRCS := $(sort $(wildcard $(ROOMS:%=src/%/*.cpp)))
OBJS := $(SRCS:src/%.cpp=$(O)/obj/%.o)
LIB_OBJS := $(filter-out $(O)/obj/nginx/%,$(OBJS))
UNIT_SRCS := $(sort $(wildcard t/unit/*.cpp))
UNIT_OBJS := $(UNIT_SRCS:t/unit/%.cpp=$(O)/obj/unit/%.o)
UNIT_TESTS := $(patsubst t/unit/%.cpp,$(O)/unit/%,\
    $(filter %_test.cpp,$(UNIT_SRCS)))
UNIT_CHOSEN = $(or $(UNIT:%=$(O)/unit/%_test),$(UNIT_TESTS))
UNIT_HELPERS := $(filter-out %_test.o,$(UNIT_OBJS))
TSAN_TEST := build/tsan/zone_threads_test
TSAN_OBJS := build/tsan/obj/unit/zone_threads_test.o $(patsubst \
    src/%.cpp,build/tsan/obj/%.o,$(filter src/cache/%,$(SRCS)))
FUZZ_SRCS := $(sort $(wildcard t/fuzz/*.cpp))
FUZZ_OBJS := $(FUZZ_SRCS:t/fuzz/%.cpp=build/fuzz/obj/%.o) $(patsubst \
    src/%.cpp,build/fuzz/obj/%.o,$(filter src/phoenix/%,$(SRCS)))
FUZZ_PROGRAMS := $(FUZZ_SRCS:t/fuzz/%.cpp=build/fuzz/bin/%)
FUZZ_CHOSEN = $(or $(FUZZ:%=build/fuzz/bin/%),$(FUZZ_PROGRAMS))

# ---- programs and flags

NGX_OPTIONS = $(shell $(NGX_BINARY) -V 2>&1)
MODULES_DIR = $(or $(patsubst --modules-path=%,%,\
    $(filter --modules-path=%,$(NGX_OPTIONS))),/usr/lib/nginx/modules)
BESIDE = TEST_NGINX_BINARY="$${TEST_NGINX_BINARY:-$$(PATH=$$PATH:/usr/sbin \
    command -v $(NGX_BINARY))}"
AVAILABLE_DIR := /usr/share/nginx/modules-available
ENABLED_DIR := /etc/nginx/modules-enabled
BINDIR ?= /usr/local/bin
MANDIR ?= /usr/local/share/man
MOD_CONF := mod-http-auth-sigra.conf
STRIP ?= strip --strip-unneeded

WARN := -W -Wall -Wextra -Werror
ifdef SANITIZE
OPT := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
    -fno-sanitize-recover=undefined
# nodelete: otherwise the module and libpq would be unmapped before the leak
# check, and what libpq keeps for its next TLS connection would be reported.
LDOPT := -fsanitize=address,undefined -Wl,-z,nodelete
else
OPT := -O2 -g -fno-plt -fstack-protector-strong -U_FORTIFY_SOURCE \
    -D_FORTIFY_SOURCE=2
LDOPT := -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed
endif
EXPORTS := exports.map

CXXSTD := -std=c++20
PG_INC := $(shell pg_config --includedir 2>/dev/null)
ALL_CXXFLAGS = $(CXXSTD) -pipe -fPIC -fvisibility=hidden $(WARN) $(OPT) \
    -Isrc $(PG_INC:%=-isystem %) $(CXXFLAGS)
# -Wno-tsan: ThreadSanitizer does not know fences. The words that they order are
# atomic, so it sees races without them.
TSAN_CXXFLAGS = $(CXXSTD) -pipe $(WARN) -Wno-tsan -O1 -g -fsanitize=thread \
    -Isrc -It/unit $(CXXFLAGS)
FUZZ_CXX ?= clang++
FUZZ_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_CXXFLAGS = $(CXXSTD) -pipe $(WARN) -O1 -g -fno-omit-frame-pointer \
    $(FUZZ_SANITIZE) -fsanitize=fuzzer-no-link -Isrc -It/fuzz $(CXXFLAGS)
LIBS := -lpq -lcrypto -lsodium -largon2 -lcrypt

# What nginx's configure generates, and the headers' folders according to it.
NGX := build/nginx
NGX_INCS = $$(cat $(NGX)/includes)

# ---- targets

##@ Building

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} \
	    /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	    /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: build
build: $(O)/$(MODULE) ## the module: build/ngx_http_auth_sigra_module.so

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: deps
deps: ## install the Debian packages that are missing
	@.ci/deps test

.PHONY: install
install: build ## the module, its load_module file, sigra-user; DESTDIR=
	install -d "$(DESTDIR)$(MODULES_DIR)" "$(DESTDIR)$(AVAILABLE_DIR)"
	$(STRIP) -o $(O)/stripped.so $(O)/$(MODULE)
	install -m 644 $(O)/stripped.so "$(DESTDIR)$(MODULES_DIR)/$(MODULE)"
	echo 'load_module modules/$(MODULE);' \
	    >"$(DESTDIR)$(AVAILABLE_DIR)/$(MOD_CONF)"
	install -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(MANDIR)/man1"
	install -m 755 examples/sigra-user "$(DESTDIR)$(BINDIR)/sigra-user"
	install -m 644 examples/sigra-user.1 "$(DESTDIR)$(MANDIR)/man1/"
	@echo "to load it: ln -s $(AVAILABLE_DIR)/$(MOD_CONF)" \
	    "$(ENABLED_DIR)/50-$(MOD_CONF)"

.PHONY: deb
deb: ## the Debian package libnginx-mod-http-auth-sigra, in build/deb
	@.ci/deps deb
	@.ci/deb

.PHONY: uninstall
uninstall: ## what install installed, and the link that loads it
	rm -f "$(DESTDIR)$(ENABLED_DIR)/50-$(MOD_CONF)" \
	    "$(DESTDIR)$(AVAILABLE_DIR)/$(MOD_CONF)" \
	    "$(DESTDIR)$(MODULES_DIR)/$(MODULE)" \
	    "$(DESTDIR)$(BINDIR)/sigra-user" \
	    "$(DESTDIR)$(MANDIR)/man1/sigra-user.1"

##@ Trying it

.PHONY: run
run: ## a demonstration on http://127.0.0.1:PORT/ (8080); Ctrl-C ends it
	+@PORT=$(or $(PORT),8080) examples/demo/run

##@ Tests

.PHONY: test
test: ## everything, on a machine that has only the build tools: the one command
	@.ci/deps test
	+@.ci/test $(SECONDS)

# What the last steps of `make test` need.
.PHONY: compile-rest
compile-rest: tidy $(TSAN_TEST) fuzz-build clang-build configure-build

.PHONY: unit
unit: unit-build ## unit tests; UNIT=term runs t/unit/term_test.cpp alone
	@t/lib/with-postgres .ci/unit $(UNIT_CHOSEN)

.PHONY: unit-build
unit-build: $(UNIT_CHOSEN)

.PHONY: suite
suite: build ## what a request sees: t/*.t; T=t/access.t runs that alone
	@$(BESIDE) .ci/suite $(O)/$(MODULE) $(or $(T),$(sort $(wildcard t/*.t)))

.PHONY: fault
fault: build ## what happens when PostgreSQL fails: t/fault/*.t
	@$(BESIDE) .ci/suite $(O)/$(MODULE) \
	    $(or $(T),$(sort $(wildcard t/fault/*.t)))

.PHONY: test-ha
test-ha: ## Patroni with etcd, as examples/ha has it; not part of test
	@.ci/deps ha
	@$(MAKE) build
	@.ci/suite $(O)/$(MODULE) t/ha/patroni.t

.PHONY: browser
browser: build ## the login's story in headless Chromium, where there is one
	@t/browser/run

.PHONY: test-asan
test-asan: ## unit tests and suite under AddressSanitizer and UBSan
	@$(MAKE) SANITIZE=1 CXX=g++ build unit-build
	@$(MAKE) -k SANITIZE=1 CXX=g++ suite $(if $(T),,fault) unit

# Without the tests that hash passwords, because a hash takes half a minute
# under memcheck, and those that count instructions, race threads, or have an
# allocator of their own, which memcheck replaces.
VALGRIND_UNIT := $(filter-out password% vectors% statements_login% %_memory \
    memo% zone_processes% zone_threads%,$(UNIT_SRCS:t/unit/%_test.cpp=%))
VALGRIND_PROGRAMS = $(patsubst %,$(O)/unit/%_test,\
    $(or $(UNIT),$(filter-out %.cpp,$(VALGRIND_UNIT))))
MEMCHECK := valgrind -q --error-exitcode=99 --leak-check=full \
    --errors-for-leak-kinds=definite
VALGRIND_SUITE := $(addprefix t/,auth_sigra.t cache.t remember_me.t renew.t \
    logout.t revocation.t session_cookie.t)

.PHONY: test-valgrind
test-valgrind: ## unit tests and some of the suite under memcheck; T=, UNIT=
	@.ci/deps valgrind
	@$(MAKE) build $(VALGRIND_PROGRAMS)
	@UNIT_UNDER='$(MEMCHECK)' VALGRIND=1 \
	    t/lib/with-postgres .ci/unit $(VALGRIND_PROGRAMS)
	@$(BESIDE) VALGRIND=1 .ci/suite $(O)/$(MODULE) $(or $(T),$(VALGRIND_SUITE))

.PHONY: test-tsan
test-tsan: $(TSAN_TEST) ## what is read without a lock, under ThreadSanitizer
	@$<

.PHONY: fuzz
fuzz: $(FUZZ_CHOSEN:%=%.ran) ## t/fuzz, each for SECONDS (10); FUZZ=term alone

.PHONY: fuzz-build
fuzz-build: $(FUZZ_CHOSEN)

.PHONY: bench
bench: ## measurements; SECTION=lookup alone; ROUNDS, SECONDS, ROWS, OLD
	@.ci/deps bench
	@$(MAKE) build $(O)/bench/hash
	@MODULE=$(O)/$(MODULE) SECONDS=$(SECONDS) ROUNDS=$(ROUNDS) ROWS=$(ROWS) \
	    OLD=$(OLD) t/bench/run $(SECTION)

.PHONY: test-compilers
test-compilers: clang-build ## clang++, and nginx's own ./configure --add-dynamic-module
	+@NGX_SRC='$(NGX_SRC)' NGX_BINARY='$(NGX_BINARY)' .ci/configure-and-make

.PHONY: configure-build
configure-build: build/nginx.key
	+@NGX_SRC='$(NGX_SRC)' NGX_BINARY='$(NGX_BINARY)' .ci/configure-and-make compile

.PHONY: clang-build
clang-build:
	@$(MAKE) CXX=clang++ build unit-build

.PHONY: test-debian
test-debian: ## build unit suite fault in a bare Debian: RELEASE=trixie
	@.ci/test-debian $(or $(RELEASE),trixie)

.PHONY: test-deb
test-deb: ## install, upgrade, remove and purge the package in a bare Debian
	@$(MAKE) deb
	@.ci/test-deb $(RELEASE)

.PHONY: lint
lint: tidy ## formatting, includes, documentation, clang-tidy, shellcheck
	@.ci/lint

.PHONY: tidy
tidy: $(OBJS:$(O)/obj/%.o=$(O)/tidy/%.ok)

.PHONY: format
format: ## clang-format on src and t
	@clang-format -i $(wildcard $(ROOMS:%=src/%/*.[ch]pp) t/*/*.[ch]pp)

# ---- nginx's configuration

# configure runs in a folder of symlinks to its sources, because it reads its
# current folder, and some versions write there. All paths are relative, so that
# a blank in the path of this tree does no harm.
$(NGX)/Makefile: build/nginx.key config config.make
	@rm -rf build/nginx-src $(NGX)
	@mkdir -p build/nginx-src
	@ln -s "$(NGX_SRC)"/* build/nginx-src/
	@rm -f build/nginx-src/Makefile
	@set -e; cd build/nginx-src; \
	. ../../.ci/nginx-flags "$(NGX_SRC)" "$(NGX_BINARY)"; \
	echo "configure: $(NGX_SRC)"; \
	$$NGX_CONFIGURE "$${NGX_CONF_FLAGS[@]}" --builddir=../nginx \
	    --add-dynamic-module=../.. >../nginx-configure.log 2>&1 || \
	    { cat ../nginx-configure.log >&2; rm -f ../nginx/Makefile; exit 1; }

$(NGX)/ngx_http_auth_sigra_module_modules.c: $(NGX)/Makefile

# The headers' folders differ between versions of nginx, and more so in a fork,
# so make reads them from the Makefile that configure wrote; its paths are
# relative to where configure ran. Our own folder is not a system folder: its
# headers cause warnings, and are dependencies. Not $(MAKE), because make -n
# would run that.
$(NGX)/includes: $(NGX)/Makefile
	@MAKEFLAGS= make -s -f $< --eval 'includes: ; @echo $$(ALL_INCS)' includes | \
	    sed -E 's@-I *@-isystem @g; s@-isystem ../../src @@; s@(-isystem) ([^/])@\1 build/nginx-src/\2@g' \
	    >$@

# ---- keys: files that are written only when their content changes

.PHONY: FORCE
FORCE:

define key
@mkdir -p $(@D)
@printf '%s\n' $(1) | cmp -s - $@ || printf '%s\n' $(1) >$@
endef

build/nginx.key: FORCE
	@if [ ! -x "$(NGX_SRC)/configure" ] && \
	    [ ! -x "$(NGX_SRC)/auto/configure" ]; then \
	    echo "nginx's headers are missing: run make deps, or say where" \
	        "they are with NGX_SRC=" >&2; exit 1; fi
	$(call key,'$(NGX_SRC)' \
	    "$$(grep -h 'define NGINX_VERSION' $(NGX_SRC)/src/core/nginx.h)" \
	    "$$(cat $(NGX_SRC)/conf_flags 2>/dev/null)" \
	    "$$([ -e $(NGX_SRC)/conf_flags ] || $(NGX_BINARY) -V 2>&1)" \
	    "$$(dpkg-query -W nginx-dev 2>/dev/null)")

$(O)/flags.key: FORCE
	$(call key,"$$($(CXX) --version | head -n 1)" '$(ALL_CXXFLAGS)' \
	    '$(LDOPT) $(LDFLAGS) $(LIBS)')

$(O)/sources.key: FORCE
	$(call key,'$(SRCS)' '$(UNIT_SRCS)')

# ---- objects

$(O)/obj/nginx/%.o: src/nginx/%.cpp $(O)/flags.key $(NGX)/includes
	@mkdir -p $(@D)
	@echo "  CXX  $@"
	@$(CXX) $(ALL_CXXFLAGS) $(NGX_INCS) -MMD -MP -c -o $@ $<

$(O)/obj/cache/%.o: src/cache/%.cpp $(O)/flags.key
	@mkdir -p $(@D)
	@echo "  CXX  $@"
	@$(CXX) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

$(O)/obj/phoenix/%.o: src/phoenix/%.cpp $(O)/flags.key
	@mkdir -p $(@D)
	@echo "  CXX  $@"
	@$(CXX) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

$(O)/obj/postgres/%.o: src/postgres/%.cpp $(O)/flags.key
	@mkdir -p $(@D)
	@echo "  CXX  $@"
	@$(CXX) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

# Tests mostly wait, so optimizing them takes longer than it saves. Not so for
# those that stop after each instruction or count.
UNIT_OPT := -O0 -U_FORTIFY_SOURCE
$(O)/obj/unit/zone_%.o $(O)/obj/unit/memo_%.o: UNIT_OPT :=
$(O)/obj/unit/%.o: t/unit/%.cpp $(O)/flags.key
	@mkdir -p $(@D)
	@echo "  CXX  $@"
	@$(CXX) $(ALL_CXXFLAGS) $(UNIT_OPT) -It/unit -MMD -MP -c -o $@ $<

$(O)/obj/modules.o: $(NGX)/ngx_http_auth_sigra_module_modules.c $(O)/flags.key \
    $(NGX)/includes
	@mkdir -p $(@D)
	@$(CC) -O2 -fPIC $(NGX_INCS) -c -o $@ $<

$(O)/$(MODULE): $(OBJS) $(O)/obj/modules.o $(O)/sources.key $(EXPORTS)
	@echo "  LINK $@"
	@$(CXX) -shared -Wl,--version-script=$(EXPORTS) $(LDOPT) $(LDFLAGS) \
	    -o $@ $(OBJS) $(O)/obj/modules.o $(LIBS)

$(O)/libsigra.a: $(LIB_OBJS) $(O)/sources.key
	@rm -f $@
	@$(AR) rcs $@ $(LIB_OBJS)

$(UNIT_TESTS): $(O)/unit/%: $(O)/obj/unit/%.o $(UNIT_HELPERS) $(O)/libsigra.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(CXX) $(LDOPT) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

# ---- ThreadSanitizer: only cache/, where processes share memory

build/tsan/flags.key: FORCE
	$(call key,"$$(g++ --version | head -n 1)" '$(TSAN_CXXFLAGS)')

build/tsan/obj/cache/%.o: src/cache/%.cpp build/tsan/flags.key
	@mkdir -p $(@D)
	@echo "  CXX  $@"
	@g++ $(TSAN_CXXFLAGS) -MMD -MP -c -o $@ $<

build/tsan/obj/unit/%.o: t/unit/%.cpp build/tsan/flags.key
	@mkdir -p $(@D)
	@echo "  CXX  $@"
	@g++ $(TSAN_CXXFLAGS) -MMD -MP -c -o $@ $<

$(TSAN_TEST): $(TSAN_OBJS)
	@echo "  LINK $@"
	@g++ -fsanitize=thread $(LDFLAGS) -o $@ $^ -lcmocka -lsodium

# ---- fuzzing: only phoenix/, which reads a client's or an application's bytes

build/fuzz/flags.key: FORCE
	$(call key,"$$($(FUZZ_CXX) --version | head -n 1)" '$(FUZZ_CXXFLAGS)')

build/fuzz/obj/phoenix/%.o: src/phoenix/%.cpp build/fuzz/flags.key
	@mkdir -p $(@D)
	@echo "  CXX  $@"
	@$(FUZZ_CXX) $(FUZZ_CXXFLAGS) -MMD -MP -c -o $@ $<

build/fuzz/obj/%.o: t/fuzz/%.cpp build/fuzz/flags.key
	@mkdir -p $(@D)
	@echo "  CXX  $@"
	@$(FUZZ_CXX) $(FUZZ_CXXFLAGS) -MMD -MP -c -o $@ $<

build/fuzz/libphoenix.a: $(filter build/fuzz/obj/phoenix/%,$(FUZZ_OBJS))
	@rm -f $@
	@$(AR) rcs $@ $^

$(FUZZ_PROGRAMS): build/fuzz/bin/%: build/fuzz/obj/%.o build/fuzz/libphoenix.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(FUZZ_CXX) $(FUZZ_SANITIZE) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ \
	    $(filter-out -lpq,$(LIBS))

build/fuzz/seeds: t/fuzz/seeds $(wildcard t/unit/vectors/*.json)
	@rm -rf $@
	@t/fuzz/seeds $@
	@touch $@

.PHONY: $(FUZZ_PROGRAMS:%=%.ran)
$(FUZZ_PROGRAMS:%=%.ran): %.ran: % build/fuzz/seeds
	@t/fuzz/run $(or $(SECONDS),10) $<

$(O)/obj/bench/%.o: t/bench/%.cpp $(O)/flags.key
	@mkdir -p $(@D)
	@echo "  CXX  $@"
	@$(CXX) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

$(O)/bench/%: $(O)/obj/bench/%.o $(O)/libsigra.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(CXX) $(LDOPT) $(LDFLAGS) -o $@ $^ $(LIBS)

# After the object, whose dependencies tell which headers have changed.
$(O)/tidy/%.ok: src/%.cpp $(O)/obj/%.o .clang-tidy $(NGX)/includes
	@mkdir -p $(@D)
	@echo "  TIDY $<"
	@clang-tidy --quiet $< -- $(CXXSTD) -Isrc $(PG_INC:%=-isystem %) \
	    $(NGX_INCS) 2> >(grep -vE '^[0-9]+ warnings? generated' >&2)
	@touch $@

# Keep these: make would delete them as intermediate files.
.SECONDARY: $(UNIT_OBJS) $(FUZZ_OBJS) $(O)/obj/bench/hash.o

-include $(OBJS:.o=.d) $(UNIT_OBJS:.o=.d) $(FUZZ_OBJS:.o=.d) \
    $(TSAN_OBJS:.o=.d) \
    $(O)/obj/bench/hash.d
