# A small image with the octavo command: docker build -t octavo . && docker run -v $PWD:/data octavo info
# tools/test_dockerfile.sh runs these steps without Docker.
FROM debian:bookworm-slim AS build
WORKDIR /octavo
COPY . .
RUN tools/install_packages.sh && apt-get install -y --no-install-recommends dpkg-dev file
RUN tools/build_deb.sh /packages

FROM debian:bookworm-slim
COPY --from=build /packages /packages
RUN apt-get update && apt-get install -y --no-install-recommends /packages/octavo_*.deb && rm -rf /var/lib/apt/lists/* /packages
WORKDIR /data
USER 65532:65532
ENTRYPOINT ["octavo"]
