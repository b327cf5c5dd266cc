/** Tells other programs of approvals. */
export { messageOf } from './message.ts'
export { WebhookSender, type SenderRooms } from './sender.ts'
