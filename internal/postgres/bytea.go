package postgres

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"
)

// byteaCodec reads bytea also as text in the format "escape", which a server, a
// database or a role may be set to (bytea_output). pgx reads "hex" alone.
type byteaCodec struct{ pgtype.ByteaCodec }

func (c byteaCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	plan := c.ByteaCodec.PlanScan(m, oid, format, target)
	if plan == nil || format != pgtype.TextFormatCode {
		return plan
	}
	return unescape{plan}
}

type unescape struct{ hex pgtype.ScanPlan }

func (u unescape) Scan(src []byte, dst any) error {
	if src == nil || bytes.HasPrefix(src, []byte(`\x`)) { // a backslash is doubled in the other format
		return u.hex.Scan(src, dst)
	}
	var raw []byte
	for i := 0; i < len(src); i++ {
		switch {
		case src[i] != '\\':
			raw = append(raw, src[i])
		case i+1 < len(src) && src[i+1] == '\\':
			raw = append(raw, '\\')
			i++
		default:
			if i+4 > len(src) {
				return fmt.Errorf("an escaped byte ends after %d characters", len(src)-i)
			}
			b, err := strconv.ParseUint(string(src[i+1:i+4]), 8, 8)
			if err != nil {
				return fmt.Errorf("an escaped byte: %w", err)
			}
			raw = append(raw, byte(b))
			i += 3
		}
	}
	return u.hex.Scan(append([]byte(`\x`), hex.EncodeToString(raw)...), dst)
}

// readBytea makes the connection that m belongs to read bytea so.
func readBytea(m *pgtype.Map) {
	one := &pgtype.Type{Name: "bytea", OID: pgtype.ByteaOID, Codec: byteaCodec{}}
	m.RegisterType(one)
	m.RegisterType(&pgtype.Type{Name: "_bytea", OID: pgtype.ByteaArrayOID, Codec: &pgtype.ArrayCodec{ElementType: one}})
}
