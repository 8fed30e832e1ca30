package native

import (
	"context"
	"time"

	"github.com/oapi-codegen/nullable"

	"github.com/rosterhq/roster/gen/rosterapi"
	"github.com/rosterhq/roster/internal/oauth"
)

func clientRef(id string) oauth.ClientRef { return oauth.ClientRef{ClientID: id} }

func (h *handler) RosterListClientSecrets(ctx context.Context, req rosterapi.RosterListClientSecretsRequestObject) (rosterapi.RosterListClientSecretsResponseObject, error) {
	list, err := h.registry.Secrets(ctx, clientRef(req.ClientID))
	if err != nil {
		return nil, err
	}
	body := rosterapi.RosterClientSecrets{Secrets: make([]rosterapi.RosterClientSecret, len(list))}
	for i, s := range list {
		body.Secrets[i] = rosterapi.RosterClientSecret{
			ID: s.ID, Status: rosterapi.RosterClientSecretStatus(s.Status(h.registry.Now())),
			CreatedAt: timestamp(s.CreatedAt), ExpiresAt: moment(s.ExpiresAt), LastUsedAt: moment(s.LastUsedAt), Weak: s.Weak,
		}
	}
	return rosterapi.RosterListClientSecrets200JSONResponse{Body: body}, nil
}

func moment(t *time.Time) nullable.Nullable[string] {
	if t == nil {
		return nullable.NewNullNullable[string]()
	}
	return nullable.NewNullableWithValue(timestamp(*t))
}

func (h *handler) RosterRotateClientSecret(ctx context.Context, req rosterapi.RosterRotateClientSecretRequestObject) (rosterapi.RosterRotateClientSecretResponseObject, error) {
	var grace *time.Duration
	if req.Params.GraceSeconds != nil {
		grace = new(time.Duration(*req.Params.GraceSeconds) * time.Second)
	}
	secret := oauth.NewSecret(oauth.RandomText(oauth.URLSafe, 64))
	c, err := h.registry.RotateSecret(ctx, clientRef(req.ClientID), secret, grace)
	if err != nil {
		return nil, err
	}
	return rosterapi.RosterRotateClientSecret201JSONResponse{Body: rosterapi.RosterNewClientSecret{
		ID: c.Secret.ID, ClientSecret: secret.Reveal(), CreatedAt: timestamp(c.Secret.CreatedAt),
	}}, nil
}

func (h *handler) RosterRetireClientSecret(ctx context.Context, req rosterapi.RosterRetireClientSecretRequestObject) (rosterapi.RosterRetireClientSecretResponseObject, error) {
	if err := h.registry.RetireSecret(ctx, clientRef(req.ClientID), req.SecretID); err != nil {
		return nil, err
	}
	return rosterapi.RosterRetireClientSecret204Response{}, nil
}
