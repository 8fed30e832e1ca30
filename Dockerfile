# syntax=docker/dockerfile:1
ARG GO_VERSION=1.26.8

# Go compiles for the target on the machine that builds; nothing is emulated. The
# tag names a patch release; of this stage only the program and the certificate
# authorities get into the image.
FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY client/go.mod client/go.sum client/
RUN go mod download
COPY . .
ARG VERSION=0.1.0-dev
ARG COMMIT
ARG TARGETOS TARGETARCH
RUN CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" -o /roster ./cmd/roster

# Nothing but the program: no shell, no package manager.
FROM scratch
ARG VERSION=0.1.0-dev
ARG COMMIT
LABEL org.opencontainers.image.title="Roster" \
      org.opencontainers.image.description="Registry of OAuth 2.0 and OpenID Connect clients" \
      org.opencontainers.image.source="https://github.com/rosterhq/roster" \
      org.opencontainers.image.documentation="https://github.com/rosterhq/roster/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /roster /roster
COPY LICENSE /LICENSE
USER 65532:65532
EXPOSE 8080
# There are no PostgreSQL binaries here: DATABASE_URL or DATABASE_URL_FILE must be set.
ENV ROSTER_ADDR=:8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s CMD ["/roster", "health"]
ENTRYPOINT ["/roster"]
CMD ["serve"]
