// Package abuse holds a test for every way of abusing a client registry that
// concerns what Roster does. Each goes through the whole service; the packages
// have finer tests of the same rules. There is nothing here but tests, which
// docs/abuse-cases.md lists.
package abuse
