package issuers

import "time"

// FetchWithin replaces the bound on fetching an issuer's keys.
func (s *Set) FetchWithin(bound time.Duration) {
	for _, i := range s.issuers {
		i.fetchWithin = bound
	}
}
