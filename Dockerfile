# One image for all functions: each names its handler by ImageConfig.Command. Nothing here knows the architecture; the wheels do.
# checkov:skip=CKV_DOCKER_3: Lambda runs any image as a user of its own without privileges; `sam local` adds its emulator as the image's user and needs root
# checkov:skip=CKV_DOCKER_7: the tag is in BASE
ARG BASE=public.ecr.aws/lambda/python:3.13

FROM ${BASE} AS build
WORKDIR /build
COPY infra/pack.py requirements.lock ./
RUN python3 pack.py install requirements.lock packages
COPY core code/core
COPY handlers code/handlers
COPY pipelines code/pipelines
RUN python3 pack.py seal code packages

FROM ${BASE}
# Two layers: the packages', which is large and seldom changes, and the code's.
COPY --from=build /build/packages ${LAMBDA_TASK_ROOT}
COPY --from=build /build/code ${LAMBDA_TASK_ROOT}
ENV LAKELET_PROJECT=${LAMBDA_TASK_ROOT}/pipelines LAKELET_WORK=/tmp
HEALTHCHECK NONE
CMD ["handlers.ingest.handler"]
