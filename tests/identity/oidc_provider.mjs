// An OpenID provider for tests: gives one client access tokens that are signed with the first of its keys.
import Provider from 'oidc-provider'

const [, , port, keys] = process.argv
const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: JSON.parse(keys) },
  clients: [{
    client_id: 'shop',
    client_secret: 'known to everybody who reads this',
    grant_types: ['client_credentials'],
    id_token_signed_response_alg: 'ES256',
    redirect_uris: [],
    response_types: [],
  }],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:orders',
      getResourceServerInfo: () => ({
        accessTokenFormat: 'jwt', audience: 'orders', jwt: { sign: { alg: 'ES256' } }, scope: 'read',
      }),
    },
  },
})
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'))
process.stdin.on('end', () => process.exit(0))
process.stdin.resume()
