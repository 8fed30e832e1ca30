package internal_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// leaks are the forms in which a secret gets into a repository. Where there is
// a group, it must look random too.
var leaks = map[string]*regexp.Regexp{
	"a private key":       regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\\r|\\n|\s)*([A-Za-z0-9+/]{40,})`),
	"a keyset":            regexp.MustCompile(`"keyData"[^}]*"value"\s*:\s*"([A-Za-z0-9+/=_-]{40,})"`),
	"a private JWK":       regexp.MustCompile(`"d"\s*:\s*"([A-Za-z0-9_-]{40,})"`),
	"a client's secret":   regexp.MustCompile(`(?i)(?:secret|password|passwd|api_?key)["']?\s*[:=]+\s*["']?([A-Za-z0-9_+/-]{32,})`),
	"a token":             regexp.MustCompile(`(eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{40,})`),
	"a password in a URL": regexp.MustCompile(`[a-z]{3,}://[^\s:/@"']+:([A-Za-z0-9_+/-]{20,})@`),
	"a cloud's key":       regexp.MustCompile(`\b(?:AKIA|ASIA)[A-Z2-7]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b`),
}

// leaksIn returns what text seems to give away, without giving it away again.
func leaksIn(text string) []string {
	var found []string
	all, likely := text, likelyLines(text)
	for name, form := range leaks {
		text := all
		if prefix, _ := form.LiteralPrefix(); prefix == "" { // which is slow to look for
			text = likely
		}
		for _, m := range form.FindAllStringSubmatchIndex(text, -1) {
			value := text[m[0]:m[1]]
			if len(m) > 2 {
				value = text[m[2]:m[3]]
				if entropy(value) < 4 {
					continue
				}
			}
			found = append(found, fmt.Sprintf("line %d: %s, %.6s…", strings.Count(text[:m[0]], "\n")+1, name, value))
		}
	}
	return found
}

// likelyLines empties the lines of text which neither have twenty characters of
// a secret in a row nor come before one that has.
func likelyLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		if !mayHoldSecret(lines[i]) && (i+1 == len(lines) || !mayHoldSecret(lines[i+1])) {
			lines[i] = ""
		}
	}
	return strings.Join(lines, "\n")
}

func mayHoldSecret(line string) bool {
	n := 0
	for _, c := range []byte(line) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '/' || c == '_' || c == '-' {
			n++
		} else {
			n = 0
		}
		if n == 20 {
			return true
		}
	}
	return false
}

// entropy is Shannon's, in bits a character: some 4.5 and more for 40 random
// ones of base64, 4 for long hexadecimal ones, less for words and patterns.
func entropy(s string) float64 {
	count := map[rune]float64{}
	for _, r := range s {
		count[r]++
	}
	var bits float64
	for _, n := range count {
		p := n / float64(len(s))
		bits -= p * math.Log2(p)
	}
	if strings.Trim(s, "0123456789abcdef") == "" && bits > 3.4 {
		return 4 // as random as hexadecimal gets
	}
	return bits
}

func TestRepositoryHoldsNoSecret(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Skip("not a checkout: ", err)
	}
	files := 0
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		text, err := os.ReadFile("../" + name)
		if err != nil {
			continue // deleted, or a link to nowhere
		}
		files++
		for _, leak := range leaksIn(string(text)) {
			t.Errorf("%s, %s", name, leak)
		}
	}
	if files < 100 {
		t.Errorf("only %d files were read", files)
	}
}

// TestPlantedSecretsAreFound makes sure that the search above can fail.
func TestPlantedSecretsAreFound(t *testing.T) {
	t.Parallel()
	random := make([]byte, 48)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	secret, pem := base64.RawURLEncoding.EncodeToString(random), base64.StdEncoding.EncodeToString(random)
	head := "-----BEGIN " + "PRIVATE KEY-----"
	for name, text := range map[string]string{
		"PEM":         head + "\n" + pem + "\n",
		"PEM in JSON": `{"key": "` + head + `\n` + pem + `\n"}`,
		"keyset":      `{"aead": {"key": [{"keyData": {"typeUrl": "x", "value": "` + pem + `"}}]}}`,
		"JWK":         `{"kty":"EC","d":"` + secret + `"}`,
		"JSON":        `{"client_secret": "` + secret + `"}`,
		"environment": "ROSTER_BOOTSTRAP_CLIENT_SECRET=" + secret,
		"Go":          `secret := "` + secret + `"`,
		"hexadecimal": "password: " + hex.EncodeToString(random[:32]),
		"token":       "eyJhbGciOiJSUzI1NiJ9." + "eyJzdWIiOiJhIn0abc" + "." + secret,
		"URL":         "postgres://roster:" + secret + "@db/roster",
		"cloud":       "AKIA" + "ABCDEFGHIJKLMNOP",
		"forge":       "ghp_" + strings.Repeat("a1B2", 9),
	} {
		if len(leaksIn("first line\n"+text)) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	for name, text := range map[string]string{
		"a reference":  `secret: ${{ secrets.CLIENT_SECRET_OF_THE_DEPLOYMENT }}`,
		"a name":       `client_secret = aws_secretsmanager_secret_version`,
		"an empty PEM": head + "\n…\n",
	} {
		if found := leaksIn(text); len(found) != 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
}
