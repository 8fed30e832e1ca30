"""Goes through a client's life with the Python package that OpenAPI Generator
makes of openapi.yaml. Its models raise ValueError for an answer that lacks a
required member.
"""
import json
import os
import unittest

import roster_client as roster

AUDIENCE = 'https://books.example/'


class ClientTest(unittest.TestCase):
    def setUp(self):
        api = self.connect(os.environ['ROSTER_TOKEN'])
        self.auth0, self.own, self.boruta = roster.Auth0Api(api), roster.RosterApi(api), roster.BorutaApi(api)

    def connect(self, token=None):
        configuration = roster.Configuration(host=os.environ['ROSTER_URL'])
        configuration.access_token = token
        api = roster.ApiClient(configuration)
        self.addCleanup(api.rest_client.pool_manager.clear)
        return api

    def create(self, **members):
        client = self.auth0.auth0_create_client(roster.CreateClientRequestContent(name='from Python', **members))
        self.addCleanup(self.auth0.auth0_delete_client, client.client_id)
        return client

    def refused(self, status, call, *args, **kwargs):
        with self.assertRaises(roster.ApiException) as caught:
            call(*args, **kwargs)
        self.assertEqual(caught.exception.status, status, caught.exception.body)
        return json.loads(caught.exception.body)

    def test_created_client_is_read_and_changed(self):
        created = self.create(
            app_type=roster.ClientAppTypeEnum.REGULAR_WEB,
            callbacks=['https://app.example/callback'],
            client_metadata={'team': 'pay'},
            refresh_token=roster.ClientRefreshTokenConfiguration(
                rotation_type=roster.RefreshTokenRotationTypeEnum.ROTATING,
                expiration_type=roster.RefreshTokenExpirationTypeEnum.EXPIRING,
                token_lifetime=3600))
        read, status, headers = self.auth0.auth0_get_client_with_http_info(created.client_id)
        self.assertEqual((status, read.app_type, read.callbacks), (200, 'regular_web', ['https://app.example/callback']))
        self.assertEqual(read.refresh_token, created.refresh_token)
        self.assertEqual(read.refresh_token.token_lifetime, 3600)

        change = roster.UpdateClientRequestContent(description='changed', client_metadata={'tier': 'gold'})
        changed = self.auth0.auth0_update_client(created.client_id, change, if_match=headers['ETag'])
        self.assertEqual(changed.description, 'changed')
        self.assertEqual(changed.client_metadata, {'team': 'pay', 'tier': 'gold'})
        self.assertEqual(changed.callbacks, created.callbacks)
        self.refused(412, self.auth0.auth0_update_client, created.client_id, change, if_match=headers['ETag'])

        page = self.auth0.auth0_list_clients(include_totals=True, per_page=100)
        self.assertEqual(page.total, len(page.clients))
        self.assertIn(created.client_id, [client.client_id for client in page.clients])
        self.assertIn('from Python', [client.name for client in self.boruta.boruta_list_clients().data])

    def test_client_gets_a_token_for_its_secret(self):
        client = self.create(app_type=roster.ClientAppTypeEnum.NON_INTERACTIVE)
        server = self.auth0.auth0_create_resource_server(roster.CreateResourceServerRequestContent(
            identifier=AUDIENCE, scopes=[roster.ResourceServerScope(value='read:books', description='Read books')]))
        self.addCleanup(self.auth0.auth0_delete_resource_server, server.id)
        oauth = roster.OauthApi(self.connect())
        request = roster.TokenRequest(grant_type='client_credentials', audience=AUDIENCE,
                                      client_id=client.client_id, client_secret=client.client_secret)
        refusal = self.refused(403, oauth.create_token, request)
        self.assertEqual(refusal['error'], 'access_denied')

        self.auth0.auth0_create_client_grant(roster.CreateClientGrantRequestContent(
            client_id=client.client_id, audience=AUDIENCE, scope=['read:books']))
        token = oauth.create_token(request)
        self.assertEqual((token.token_type, token.scope), ('Bearer', 'read:books'))
        self.assertIn('client_credentials', oauth.get_authorization_server_metadata().grant_types_supported)
        self.assertTrue(oauth.get_jwks().keys)

        rotated = self.own.roster_rotate_client_secret(client.client_id)
        self.assertNotEqual(rotated.client_secret, client.client_secret)

    def test_refusals_have_the_documented_shape(self):
        created = self.create()
        change = roster.UpdateClientRequestContent(callbacks=['javascript:alert(1)'])
        refusal = self.refused(400, self.auth0.auth0_update_client, created.client_id, change)
        self.assertIn('callbacks[0]', refusal['message'])
        self.assertEqual(self.refused(404, self.auth0.auth0_get_client, 'nobody')['errorCode'], 'inexistent_client')
        self.refused(401, roster.Auth0Api(self.connect('a.b.c')).auth0_get_client, created.client_id)
        with self.assertRaises(ValueError, msg='a client without a name'):
            roster.CreateClientRequestContent()


if __name__ == '__main__':
    unittest.main()
