# bfrb on a processor: docker build -t bfrb .  then  docker run --rm -v "$PWD:/data" bfrb predict model new.csv --out out.csv
# With training and reports: docker build -t bfrb --build-arg EXTRAS='[train,report,devices]' .
FROM python:3.11-slim
ARG EXTRAS='[devices]'
# The plain torch of Linux holds several gigabytes for graphics cards; this index has the build without them.
ARG TORCH_INDEX=
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
RUN if [ -n "$TORCH_INDEX" ]; then PIP_INDEX_URL="$TORCH_INDEX" pip install --no-cache-dir torch; fi \
 && pip install --no-cache-dir ".$EXTRAS" \
 && rm -rf /src \
 && useradd --create-home wearer
USER wearer
WORKDIR /data
ENTRYPOINT ["bfrb"]
CMD ["--help"]
