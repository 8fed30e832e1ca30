// Package abuse holds one test for every way of abusing a client registry that
// concerns what Roster does, named after the number of the case: TestT01 and so
// on. Each goes through the whole service; the packages have finer tests of the
// same rules. There is nothing here but tests.
//
// No test: T3, T4, T22 (no dynamic registration).
package abuse
