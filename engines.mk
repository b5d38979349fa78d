# Real Hadoop and Spark on this machine, for "penstock run --engine" and the tests of tests/engines.
# Versions are pinned in tests/engines/*/pom.xml and below; everything lands in .engines/, which git ignores.
ENGINES ?= .engines
PYSPARK ?= 3.5.6
MAVEN = mvn -q -B -f tests/engines/$(1)/pom.xml dependency:copy-dependencies -DoutputDirectory=$(abspath $(ENGINES))/$(1)/lib

SCALE ?= 50,500,5000
OBJECTS ?= 3000

.PHONY: engines engines-spark test-engines measure-engines

engines: $(ENGINES)/hadoop/fetched $(ENGINES)/yarn/fetched ## fetch Hadoop 3.4.2 (MapReduce, S3A, YARN in one JVM) into .engines/

# Plain copies are made over: jars of an older pom must not stay on the class path.
$(ENGINES)/%/fetched: tests/engines/%/pom.xml
	@command -v java >/dev/null && command -v mvn >/dev/null || { echo "engines: needs java and mvn"; exit 1; }
	@rm -rf $(@D) && mkdir -p $(@D)
	@echo "engines: fetching $*" && $(call MAVEN,$*)
	@touch $@

engines-spark: $(ENGINES)/spark-$(PYSPARK)/fetched ## fetch pyspark, at EMR's version, into .engines/

$(ENGINES)/spark-$(PYSPARK)/fetched:
	@command -v java >/dev/null && command -v python3 >/dev/null || { echo "engines: needs java and python3"; exit 1; }
	@rm -rf $(@D) && python3 -m venv $(@D)
	@echo "engines: fetching pyspark $(PYSPARK)" && $(@D)/bin/pip install -q --disable-pip-version-check pyspark==$(PYSPARK)
	@touch $@

# Java or Maven missing is one line, and every test is counted as skipped. SPARK=0 leaves Spark out.
# "make" and not its variable: a recipe that holds the variable runs even when "make -n" only asks for it.
test-engines: ## rollup, parts and whole hours on real Hadoop, YARN and Spark (SPARK=0: without)
	@if command -v java >/dev/null && command -v mvn >/dev/null; then \
		make --no-print-directory engines && \
		if [ "$(SPARK)" != 0 ]; then make --no-print-directory engines-spark || echo "engines: no pyspark, its tests are skipped"; fi && \
		PENSTOCK_ENGINES=$(abspath $(ENGINES)) go test -v -count=1 -timeout 15m ./tests/engines; \
	else \
		echo "engines: java or mvn is missing: the tests of real Hadoop are skipped"; \
		go test -v -count=1 ./tests/engines; \
	fi

measure-engines: engines ## the tables of docs/SCALE.md, for SCALE=50,500,5000 MB of raw events and OBJECTS=3000; half an hour, 2 GB of disk
	PENSTOCK_MEASURE=scale,small PENSTOCK_SCALE=$(SCALE) PENSTOCK_OBJECTS=$(OBJECTS) PENSTOCK_ENGINES=$(abspath $(ENGINES)) \
		go test -v -count=1 -timeout 3h -run Measure ./tests/engines
