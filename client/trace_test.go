package client_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/rosterhq/roster/client"
)

// attributes prints a span's by name.
func attributes(s tracetest.SpanStub) map[string]string {
	m := map[string]string{}
	for _, a := range s.Attributes {
		m[string(a.Key)] = a.Value.String()
	}
	return m
}

// token answers requests for tokens as the service does, and others by next.
func token(next roundTrip) roundTrip {
	return func(req *http.Request) (*http.Response, error) {
		if !strings.HasSuffix(req.URL.Path, "/oauth/token") {
			return next(req)
		}
		resp, err := says(200)(req)
		resp.Body = io.NopCloser(strings.NewReader(`{"access_token":"t0ken","token_type":"Bearer","expires_in":3600}`))
		return resp, err
	}
}

func TestACallIsASpan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewInMemoryExporter()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
		s := &script{answers: []roundTrip{token(nil), says(503), breaks(errBroken), says(200, "X-Request-Id", "r-1")}}
		api := newClient(t, "https://roster.example:8443/behind", client.Config{
			ClientID: "x", ClientSecret: "s3cret", HTTPClient: &http.Client{Transport: s}, TracerProvider: provider,
		})
		ctx, parent := provider.Tracer("test").Start(t.Context(), "parent")
		if _, err := api.GetClient(ctx, "a b/c", nil); err != nil {
			t.Fatal(err)
		}
		got := spans.GetSpans()
		if len(got) != 2 {
			t.Fatalf("%d spans", len(got))
		}
		fetch, call := got[0], got[1]
		if fetch.Name != "createToken" || call.Name != "auth0GetClient" || call.SpanKind != trace.SpanKindClient || call.Status.Code != codes.Unset {
			t.Errorf("spans %q and %q, kind %v, status %v", fetch.Name, call.Name, call.SpanKind, call.Status)
		}
		if call.Parent.SpanID() != parent.SpanContext().SpanID() || fetch.Parent.SpanID() != call.SpanContext.SpanID() {
			t.Error("the spans are not nested")
		}
		want := map[string]string{
			"http.request.method": "GET", "http.request.resend_count": "2", "http.response.status_code": "200",
			"http.response.header.x-request-id": `["r-1"]`, "server.address": "roster.example", "server.port": "8443",
			"url.full": "https://roster.example:8443/behind/api/v2/clients/a%20b%2Fc", "url.template": "/api/v2/clients/{client_id}",
		}
		if diff := cmp.Diff(want, attributes(call)); diff != "" {
			t.Errorf("attributes (-want +got):\n%s", diff)
		}
		for i, req := range s.requests {
			span := call
			if i == 0 {
				span = fetch
			}
			want := fmt.Sprintf("00-%s-%s-01", span.SpanContext.TraceID(), span.SpanContext.SpanID())
			if got := req.Header.Get("Traceparent"); got != want {
				t.Errorf("request %d has traceparent %q, want %q", i, got, want)
			}
		}
		for _, secret := range []string{"s3cret", "t0ken", "qu3ry", s.requests[1].Header.Get("Authorization")} {
			if text := fmt.Sprintf("%+v", got); strings.Contains(text, secret) {
				t.Errorf("the spans show %s", secret)
			}
		}
	})
}

func TestSpansTellFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer roundTrip
		status string
		kind   string
	}{
		"refused":    {says(404), "404", "404"},
		"down":       {says(503), "503", "503"},
		"connection": {breaks(errRefused), "", "*net.OpError"},
		"time":       {hangs, "", "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				spans := tracetest.NewInMemoryExporter()
				api := newClient(t, "http://roster.example", client.Config{
					Token: "t0ken", HTTPClient: &http.Client{Transport: &script{answers: []roundTrip{c.answer}}},
					TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)),
				})
				if get(t.Context(), api) == nil {
					t.Fatal("no error")
				}
				got := spans.GetSpans()
				if len(got) != 1 || got[0].Status.Code != codes.Error {
					t.Fatalf("spans: %+v", got)
				}
				a := attributes(got[0])
				if a["http.response.status_code"] != c.status || a["error.type"] != c.kind || a["server.port"] != "80" {
					t.Errorf("attributes: %v", a)
				}
			})
		})
	}
}

func TestWithoutProviderNothingIsTraced(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	ctx, parent := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)).Tracer("test").Start(t.Context(), "the caller's")
	s := &script{answers: []roundTrip{says(200)}}
	if err := get(ctx, newClient(t, "http://roster.example", client.Config{Token: "x", HTTPClient: &http.Client{Transport: s}})); err != nil {
		t.Fatal(err)
	}
	if s.requests[0].Header["Traceparent"] != nil || len(spans.GetSpans()) != 0 || !parent.IsRecording() {
		t.Error("there are traces, or the caller's span is ended")
	}
}

func TestEveryOperationIsKnownByItsID(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	api := newClient(t, "http://roster.example", client.Config{
		Token: "x", HTTPClient: &http.Client{Transport: &script{answers: []roundTrip{says(200)}}},
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)),
	})
	ctx := t.Context()
	for _, path := range []string{"POST /api/v2/clients/x/rotate-secret", "POST /api/clients/x/regenerate_key_pair", "GET /openapi/auth0.yaml", "GET /healthz"} {
		method, path, _ := strings.Cut(path, " ")
		_, _ = api.Do(ctx, client.Request{Method: method, Path: path}, nil)
	}
	_, _ = api.GetAPI(ctx, "https://api.example/v1")
	var names []string
	for _, s := range spans.GetSpans() {
		names = append(names, s.Name)
	}
	if diff := cmp.Diff([]string{"auth0RotateClientSecret", "borutaRegenerateClientKeyPair", "getSpecificationPart", "getHealth", "auth0GetResourceServer"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}
