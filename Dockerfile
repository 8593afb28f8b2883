# A static sealock on an empty base.
#
#   docker build -t sealock .
#   docker run -p 8080:8080 -v sealock:/data sealock
#
# Clients reach it as localhost:8080. For any other name tell it so, because realms and locations name it:
#
#   docker run -p 443:8080 -e SEALOCK_EXTERNAL_URLS=https://registry.example.com …
#
# The first start prints the administrator's password, unless SEALOCK_ADMIN_PASSWORD_FILE names a secret.

ARG GO_IMAGE=golang:1.26-bookworm
FROM ${GO_IMAGE} AS build
WORKDIR /src
ARG GOPROXY
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/sealock ./cmd/sealock \
 && mkdir /out/data /out/trust

FROM scratch
LABEL org.opencontainers.image.title="sealock" \
      org.opencontainers.image.description="Token server, front door and projects for Docker/OCI registries"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/sealock /sealock
# Volumes take over the owner of the folder that they cover. /trust is for `registry-config --out /trust`.
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build --chown=65532:65532 /out/trust /trust
USER 65532:65532
# Settings that belong to the image. They hold for every command: health and `registry-config` find the server's too.
# SEALOCK_CONFIG names a settings file that is mounted.
ENV SEALOCK_LISTEN=:8080 \
    SEALOCK_DATA_DIR=/data
EXPOSE 8080
VOLUME /data
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s --retries=3 \
    CMD ["/sealock", "health"]
ENTRYPOINT ["/sealock"]
CMD ["serve"]
