package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// operation is a line of the generated table.
type operation struct {
	id       string
	public   bool   // needs no token
	notJSON  bool   // success may come in another media type
	template string // of the path; not in the table, where it is the key
}

// routes finds an operation's line by method and path.
var routes = sync.OnceValue(func() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern := range operations {
		mux.Handle(pattern, http.NotFoundHandler())
	}
	return mux
})

// operationOf returns what a request is for; one that is in no specification
// is named after its method.
func operationOf(method, escapedPath string) operation {
	path, err := url.PathUnescape(escapedPath)
	if err != nil {
		return operation{id: method}
	}
	_, pattern := routes().Handler(&http.Request{Method: method, URL: &url.URL{Path: path, RawPath: escapedPath}})
	op, ok := operations[pattern]
	if !ok {
		return operation{id: method}
	}
	_, op.template, _ = strings.Cut(pattern, " ")
	return op
}

// begin starts the span of a call. Its attributes hold no query, header or
// body: names of people and secrets may be in them.
func (d *doer) begin(ctx context.Context, op operation, method string, target *url.URL) (context.Context, trace.Span) {
	if d.tracer == nil {
		return ctx, trace.SpanFromContext(context.Background()) // which does nothing
	}
	port := 443
	if target.Scheme == "http" {
		port = 80
	}
	if explicit, err := strconv.Atoi(target.Port()); err == nil {
		port = explicit
	}
	attributes := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(method), semconv.ServerAddress(target.Hostname()), semconv.ServerPort(port),
		semconv.URLFull(target.Scheme + "://" + target.Host + target.EscapedPath()),
	}
	if op.template != "" {
		attributes = append(attributes, semconv.URLTemplate(op.template))
	}
	return d.tracer.Start(ctx, op.id, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
}

// propagate sends the span of ctx along.
func (d *doer) propagate(ctx context.Context, h http.Header) {
	if d.tracer != nil {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
	}
}

// end tells the outcome of a call in its span. status is of a success.
func end(span trace.Span, status, tries int, requestID string, err error) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	if tries > 1 {
		span.SetAttributes(semconv.HTTPRequestResendCount(tries - 1))
	}
	if err != nil {
		span.SetStatus(codes.Error, "") // messages may repeat what was sent
		var kind string
		status, requestID, kind = explain(err)
		span.SetAttributes(semconv.ErrorTypeKey.String(kind))
	}
	if status != 0 {
		span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	}
	if requestID != "" {
		span.SetAttributes(attribute.StringSlice("http.response.header.x-request-id", []string{requestID}))
	}
}

// explain returns what a span says about err.
func explain(err error) (status int, requestID, kind string) {
	e, answered := errors.AsType[*Error](err)
	failed, sent := errors.AsType[*url.Error](err)
	switch {
	case errors.Is(err, context.Canceled):
		return 0, "", "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return 0, "", "timeout"
	case answered:
		return e.StatusCode, e.RequestID, strconv.Itoa(e.StatusCode)
	case sent:
		return 0, "", semconv.ErrorType(failed.Err).Value.AsString()
	}
	return 0, "", "_OTHER"
}
