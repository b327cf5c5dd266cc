import { cp } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { connectAgent, forwardedRead, heldTransfer, maskedRead, rejectedDelete } from './demo-scenes.ts'
import type { Stack } from './stack.ts'
import { Transcript } from './transcript.ts'

/** What a real gateway left of a session. */
export interface RecordedEvidence {
  /** A copy of its evidence directory, closed and signed to the end. */
  readonly evidence: string
  /** The file that holds the log's public key. */
  readonly logKey: string
}

/** An agent's session on a whole stack: a read, a masked read, two refusals, a transfer that a person approves. */
export async function playSession(stack: Stack): Promise<void> {
  const tell = new Transcript(null)
  const agent = await connectAgent(stack)
  try {
    const scenery = { stack, tell, agent }
    await forwardedRead(scenery)
    await maskedRead(scenery)
    await rejectedDelete(scenery)
    await heldTransfer(scenery)
  } finally {
    await agent.end()
  }
  if (tell.failures > 0) throw new Error(`${tell.failures} scenes went otherwise than they should`)
}

/** Stops the stack's gateway and copies its evidence into `directory`. */
export async function copyEvidence(stack: Stack, directory: string): Promise<RecordedEvidence> {
  await stack.gateway.stop()
  const copied = { evidence: join(directory, 'evidence'), logKey: join(directory, 'log.pub') }
  await cp(stack.evidence, copied.evidence, { recursive: true })
  await cp(join(dirname(stack.line.config), 'log.pub'), copied.logKey)
  return copied
}
