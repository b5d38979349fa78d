# Building, packaging, validating and deploying what runs on AWS; proof over emulators. Included by Makefile.
ARCH ?= arm64
STACK ?= penstock
SUBNET ?=
JOB ?= video
PARAMETERS ?=
FUNCTIONS := $(notdir $(patsubst %/,%,$(dir $(wildcard functions/*/main.go))))
SAM = $(or $(wildcard .venv-sam/bin/sam),sam)
GO_LAMBDA := CGO_ENABLED=0 GOOS=linux go build -trimpath -buildvcs=false -ldflags='-s -w'

.PHONY: build package validate deploy destroy test-aws

build: ## every function and the default job, for linux/arm64 and linux/amd64, into dist/
	@for arch in arm64 amd64; do \
		mkdir -p dist/linux-$$arch/functions && \
		GOARCH=$$arch $(GO_LAMBDA) -tags lambda.norpc -o dist/linux-$$arch/functions/ ./functions/... && \
		GOARCH=$$arch $(GO_LAMBDA) -o dist/linux-$$arch/rollup ./cmd/rollup || exit 1; \
	done

# Built a second time from the sources, with an empty cache, and compared byte by byte.
package: build ## deployment packages into dist/functions, of ARCH (arm64 or amd64), built twice and compared
	@go run ./tests/package dist/functions $(FUNCTIONS:%=dist/linux-$(ARCH)/functions/%)
	@if [ -z "$(ONCE)" ]; then \
		again=$$(mktemp -d) && trap 'chmod -R u+w '$$again'; rm -rf '$$again EXIT && mkdir $$again/programs && \
		GOARCH=$(ARCH) GOCACHE=$$again/cache $(GO_LAMBDA) -tags lambda.norpc -o $$again/programs/ ./functions/... && \
		go run ./tests/package $$again/functions $(FUNCTIONS:%=$$again/programs/%) && \
		diff -r dist/functions $$again/functions && echo "package: $(words $(FUNCTIONS)) packages, the same bytes when built again"; \
	fi

validate: ## cfn-lint, sam validate, asl-validator, checkov (pinned; what can't be had is counted as skipped)
	@tests/aws/validate.sh

deploy: package ## deploy STACK=name SUBNET=subnet-... [JOB=video] [PARAMETERS="Name=Value ..."] with sam
	@tests/aws/preflight.sh "$(STACK)" "$(SUBNET)" playbooks/$(JOB).json
	$(SAM) deploy --template template.yaml --stack-name "$(STACK)" --resolve-s3 --s3-prefix "$(STACK)" \
		--capabilities CAPABILITY_IAM --no-fail-on-empty-changeset --no-confirm-changeset \
		--tags "penstock:stack=$(STACK)" --parameter-overrides \
		"SubnetId=$(SUBNET)" "Job=$(JOB)" "Architecture=$(if $(filter amd64,$(ARCH)),x86_64,arm64)" $(PARAMETERS)
	@tests/aws/afterdeploy.sh "$(STACK)" playbooks/$(JOB).json

destroy: ## delete STACK=name; buckets and key are kept
	@read -r -p "Delete the stack $(STACK), its stream and what is not archived yet? Type its name: " name; \
		[ "$$name" = "$(STACK)" ] || { echo "not deleted"; exit 1; }
	$(SAM) delete --stack-name "$(STACK)" --s3-prefix "$(STACK)" --no-prompts

test-aws: ## the real template.yaml on emulators: the path of an hour over HTTP, Kinesis, Lambda, Step Functions, EMR
	@tests/aws/run.sh
