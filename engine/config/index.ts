/** One YAML file, checked whole before anything is opened. */
export { atLine, loadConfig } from './config.ts'
export type { GatewayConfig, LoadedConfig } from './config.ts'
export type { Webhook } from './webhooks.ts'
