# natlib on a CPU, from its wheel (no test builds this image):
#
#   docker build -t natlib .
#   docker run --rm --shm-size 1g -v "$PWD:/work" natlib train --modality image --data photos/
#
# For GPUs leave out the extra index: torch then comes with CUDA, and the image takes about 8 GB.

FROM python:3.11 AS build
# Has a C++ compiler, which lapjv needs.
COPY . /source
RUN python -m pip wheel --no-deps --wheel-dir /wheels /source
RUN python -m venv /opt/natlib \
    && wheel="$(ls /wheels/natlib-*.whl)" \
    && /opt/natlib/bin/pip install --no-cache-dir \
        --extra-index-url https://download.pytorch.org/whl/cpu \
        --constraint /source/constraints.txt "${wheel}[all]"

FROM python:3.11-slim
COPY --from=build /opt/natlib /opt/natlib
ENV PATH="/opt/natlib/bin:$PATH" \
    PYTHONUNBUFFERED=1
WORKDIR /work
ENTRYPOINT ["natlib"]
CMD ["--help"]
