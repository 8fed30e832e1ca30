// Package faults holds tests of package client through a network and a service
// that fail in every way at once.
package faults
