package client

import (
	"context"
	"encoding/json"
	"iter"
)

// Export reads the whole registry, record by record, in the order in which
// [Client.RosterImportRecordsWithResponse] must get them back under the format
// "roster". Of start, which may be nil, Take is the size of a page (default and
// at most 100), Cursor where to start, and IncludeSecrets asks for secrets and
// private keys. It is a list like [Client.Clients], and no snapshot: what is made,
// changed or deleted meanwhile may or may not show.
func (c *Client) Export(ctx context.Context, start *RosterExportRecordsParams) iter.Seq2[RosterRecord, error] {
	params := copied(start)
	return pages(params.Cursor, func(cursor *string) ([]RosterRecord, *string, error) {
		params := params
		params.Cursor, params.Take = cursor, or(params.Take, maxPage)
		got, err := c.RosterExportRecordsWithResponse(ctx, &params)
		if err != nil {
			return nil, nil, err
		}
		var page RosterExportPage
		err = json.Unmarshal(got.Body, &page)
		return page.Records, page.Next, err
	})
}
