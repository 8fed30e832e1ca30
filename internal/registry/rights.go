package registry

import (
	"context"
	"slices"
	"strings"

	"github.com/rosterhq/roster/internal/jsondoc"
	"github.com/rosterhq/roster/internal/oauth"
	"github.com/rosterhq/roster/internal/rights"
)

// What changes take: one of the permissions of a set. Those of clients are in
// Boruta's dialect one permission for all.
var (
	everyClient     = rights.Of("clients:manage:all")
	creatingClients = rights.Of("create:clients") | everyClient
	deletingClients = rights.Of("delete:clients") | everyClient
	changingSecrets = rights.Of("update:client_keys") | everyClient

	registeringCredentials = rights.Of("create:client_credentials")
	changingCredentials    = rights.Of("update:client_credentials")
	deletingCredentials    = rights.Of("delete:client_credentials")

	creatingGrants = rights.Of("create:client_grants")
	changingGrants = rights.Of("update:client_grants")
	deletingGrants = rights.Of("delete:client_grants")

	creatingAPIs = rights.Of("create:resource_servers")
	changingAPIs = rights.Of("update:resource_servers")
	deletingAPIs = rights.Of("delete:resource_servers")

	tying             = everyClient // a client to scopes, a key and an identity provider
	creatingProviders = rights.Of("identity-providers:manage:all")
)

// lawless is set by tests alone, which show what the rules are good for.
var lawless bool

// permit refuses ctx's caller unless, of each of sets, it has one permission.
func permit(ctx context.Context, sets ...rights.Set) error {
	has := oauth.OriginOf(ctx).Rights()
	lacks := slices.DeleteFunc(sets, has.HasAny)
	lacks = slices.DeleteFunc(slices.Clone(lacks), func(set rights.Set) bool { // what does for another does for it
		return slices.ContainsFunc(lacks, func(other rights.Set) bool { return other != set && set.Has(other) })
	})
	if len(lacks) == 0 || lawless {
		return nil
	}
	var words []string
	for _, set := range lacks {
		words = append(words, strings.Join(set.Names(), " or "))
	}
	return &oauth.Error{
		Kind: oauth.Forbidden, Reason: oauth.LacksScope, Lacks: lacks, Detail: "The change takes a token with " + strings.Join(words, ", and ") + ".",
	}
}

// clientChange is what a request makes of a client and of what belongs to it.
type clientChange struct {
	before, after *oauth.Client // before is nil for a new client

	secret     bool       // it gets a secret, or loses one
	credential rights.Set // what becomes of its credentials takes one of these; zero for nothing
}

// members are those of the document that the change adds, changes or removes.
func (c *clientChange) members() []string {
	was := jsondoc.Object{}
	if c.before != nil {
		was = c.before.Document
	}
	var names []string
	for name, raw := range c.after.Document {
		if !sameJSON(was[name], raw) && (was[name] != nil || !jsondoc.IsNull(raw)) {
			names = append(names, name)
		}
	}
	for name, raw := range was {
		if c.after.Document[name] == nil && !jsondoc.IsNull(raw) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// mayChange refuses a change of a client that ctx's caller may not make. Every
// door to clients leads here: what a change takes follows from what it makes of
// the client, not from how it is asked for.
func (r *Registry) mayChange(ctx context.Context, c clientChange) error {
	if c.before != nil {
		if broken := r.Management.Fixed(c.before.Document, c.after.Document); broken != nil {
			return oauth.Invalidate(broken...)
		}
	}
	members := c.members()
	var takes []rights.Set
	if c.before == nil {
		takes = append(takes, creatingClients)
	}
	for _, name := range members {
		set := r.Management.Takes(name)
		switch {
		case c.before == nil:
			set = atCreation(set)
		case name == "token_endpoint_auth_method" && slices.Contains(members, oauth.SlotsOfAuthentication):
			set |= changingCredentials // a client without keys must have a method
		}
		takes = append(takes, set)
	}
	if c.secret && c.before != nil {
		takes = append(takes, changingSecrets)
	}
	if c.exchangesProof() {
		takes = append(takes, changingCredentials|everyClient)
	}
	if c.credential != 0 {
		takes = append(takes, c.credential)
	}
	slices.Sort(takes)
	if err := permit(ctx, slices.Compact(takes)...); err != nil || c.before == nil || !c.authenticates() {
		return err
	}
	return mayHave(ctx, c.before.Granted, "is")
}

// authentication are the members that tell how a client proves itself.
var authentication = []string{
	oauth.SlotsOfAuthentication, "token_endpoint_auth_method", "token_endpoint_auth_signing_alg",
	oauth.MemberAuthMethods, oauth.MemberAuthMethodThen, oauth.MemberAssertionKey,
}

// exchangesProof reports whether the change has a client that proves itself by a
// key do so by its secret, or the other way round.
func (c *clientChange) exchangesProof() bool {
	if c.before == nil {
		return false
	}
	secretWas, keyWas := proofs(c.before.Document)
	secret, key := proofs(c.after.Document)
	return secret && !secretWas && keyWas || key && !keyWas && secretWas
}

// proofs returns what a client is registered to prove itself by, or was before
// another dialect gave it a single method: two changes do not do what one may
// not.
func proofs(doc jsondoc.Object) (secret, key bool) {
	methods, _ := oauth.RegisteredMethods(doc)
	var listed []string
	_ = doc.Read(oauth.MemberAuthMethods, &listed) // what cannot be read registers nothing
	for _, m := range append(methods, listed...) {
		bySecret := m == oauth.SecretBasic || m == oauth.SecretPost
		secret, key = secret || bySecret, key || !bySecret
	}
	return secret, key
}

// authenticates reports whether the change is one of what makes the client's
// authentication succeed, or of whether it gets tokens.
func (c *clientChange) authenticates() bool {
	machine := func(one *oauth.Client) bool {
		meta, err := one.Metadata()
		return err != nil || slices.Contains(meta.GrantTypes, oauth.GrantClientCredentials)
	}
	return c.secret || c.credential != 0 || machine(c.before) != machine(c.after) ||
		slices.ContainsFunc(c.members(), func(name string) bool { return slices.Contains(authentication, name) })
}

// atCreation returns what a new client takes for a member that a change takes one
// of set for: whoever may create clients decides what they are.
func atCreation(set rights.Set) rights.Set {
	if set.HasAny(rights.Of("update:clients", "update:client_keys")) {
		return creatingClients
	}
	if set.HasAny(changingCredentials) {
		return registeringCredentials
	}
	return set
}

// mayGrant refuses a grant that ctx's caller may not give; before is nil for a new
// one. On the management API nobody gives what the caller does not have.
func mayGrant(ctx context.Context, api oauth.ResourceServer, before, after *oauth.ClientGrant) error {
	takes, had := creatingGrants, rights.Set(0)
	if before != nil {
		takes, had = changingGrants, before.Rights()
	}
	if err := permit(ctx, takes); err != nil || !api.System {
		return err
	}
	return mayHave(ctx, after.Rights().Without(had), "would be")
}

// mayHave refuses a caller who lacks something of what a client is granted, or
// would be.
func mayHave(ctx context.Context, granted rights.Set, is string) error {
	lacks := granted.Without(oauth.OriginOf(ctx).Rights())
	if lacks == 0 || lawless {
		return nil
	}
	return &oauth.Error{
		Kind: oauth.Forbidden, Reason: oauth.LacksScope,
		Detail: "The client " + is + " granted permissions of the management API that the token lacks: " + strings.Join(lacks.Names(), ", ") + ".",
	}
}

// noteSecret notes for whoever keeps the answer to ctx's request that it may show
// the secret of a client.
func noteSecret(ctx context.Context, id string) {
	if ids := oauth.OriginOf(ctx).Secrets; ids != nil {
		*ids = append(*ids, id)
	}
}

// MayShowAgain refuses to show an answer with secrets of clients, by their ids, to
// a caller who may not control one of them any more.
func (r *Registry) MayShowAgain(ctx context.Context, ids []string) error {
	for _, id := range ids {
		c, err := r.store.Client(ctx, oauth.ClientRef{ID: id})
		if err == nil {
			err = mayHave(ctx, c.Granted, "is")
		}
		if err != nil && oauth.KindOf(err) != oauth.NotFound {
			return err
		}
	}
	return nil
}

// mayControl reports whether ctx's caller may see, set or change what a client
// proves itself by: only a caller who holds all that the client is granted on the
// management API, and so gains nothing by being the client.
func mayControl(ctx context.Context, c *oauth.Client) bool {
	return lawless || oauth.OriginOf(ctx).Rights().Has(c.Granted)
}
