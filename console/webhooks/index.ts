/** Tells other programs of approvals. */
export { messageOf } from './message.ts'
export { WebhookSender } from './sender.ts'
