import { ConfigError, type JsonObject } from '../../../engine/index.ts'
import type { HttpConfig } from '../config.ts'
import { bootstrap, type BootstrapSettings } from './bootstrap.ts'

/** What of a bootstrap the gateway's configuration doesn't tell. */
export interface BootstrapChoice {
  readonly node: string
  readonly admin: { readonly host: string; readonly port: number }
  /** Where Envoy reaches the gateway, if not where that listens. */
  readonly control: { readonly host: string; readonly port: number } | null
  /** Paths as Envoy's machine has them: its own key and certificate, and the authority of the gateways'. */
  readonly files: { readonly cert: string; readonly key: string; readonly ca: string } | null
}

/** What an Envoy of this gateway starts with. Throws ConfigError where the gateway isn't in Envoy's form, or files are missing. */
export function bootstrapFor({ envoy }: HttpConfig, choice: BootstrapChoice): JsonObject {
  if (envoy === null)
    throw wrong('envoy: expected the section, since Envoy asks there for its configuration; found none')
  const { control, client } = envoy
  if (client !== null && choice.files === null)
    throw wrong('envoy.control.tls: expected --cert, --key and --ca with it: files as Envoy’s machine has them')
  const isAnyPort = control.kind === 'tcp' && control.port === 0
  if (isAnyPort && choice.control === null) throw wrong('envoy.control.port: expected a number; found 0')
  const settings: BootstrapSettings = {
    node: choice.node,
    admin: choice.admin,
    control: choice.control === null ? control : { kind: 'tcp', ...choice.control },
    controlTls:
      client === null || choice.files === null ? null : { serverName: client.serverName, files: choice.files },
  }
  return bootstrap(settings)
}

function wrong(message: string): ConfigError {
  return new ConfigError('ERR_CONFIG_PLANE', message)
}
