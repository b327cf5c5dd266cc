import {
  type ServerDuplexStream,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import type { Exchange } from '../../exchange.ts'
import { method } from '../protos.ts'
import { type Manner, Phases } from './phases.ts'
import { readProcessingRequest } from './processing-request.ts'

const SERVICE = 'envoy.service.ext_proc.v3.ExternalProcessor'

type Call = ServerDuplexStream<unknown, object>

export interface ProcessorSurroundings {
  readonly exchange: Exchange
  readonly manner: Manner
  /** Something went wrong within one exchange, which was ended by it. No text of a client's in it. */
  readonly failed: (error: unknown) => void
}

export interface Processor {
  readonly service: readonly [ServiceDefinition, UntypedServiceImplementation]
  /** How many exchanges are under way. */
  running(): number
}

/**
 * Envoy's external processor: one stream an exchange. A stream is ended by Envoy alone, since Envoy takes a clean end of
 * ours for leave to go on. Whatever goes wrong here resets it with UNAVAILABLE.
 */
export function processorService(around: ProcessorSurroundings): Processor {
  const running = new Set<Call>()
  const serve = (call: Call): void => {
    running.add(call)
    follow(call, around, () => running.delete(call))
  }
  return {
    service: [{ Process: method(SERVICE, 'Process') }, { Process: serve }],
    running: () => running.size,
  }
}

function follow(call: Call, { exchange, manner, failed }: ProcessorSurroundings, ended: () => void): void {
  const gone = new AbortController()
  const phases = new Phases(exchange, gone.signal, manner)
  let turn: Promise<void> = Promise.resolve()
  const over = (): void => {
    gone.abort()
    turn = turn
      .then(() => phases.end('the exchange ended early'))
      .catch(failed)
      .finally(ended)
  }
  const fail = (error: unknown): void => {
    if (gone.signal.aborted) return
    failed(error)
    // Not `destroy`, after which no status is sent; and never a clean end.
    call.emit('error', Object.assign(new Error('the exchange failed'), { code: status.UNAVAILABLE }))
  }
  const answer = async (message: unknown): Promise<void> => {
    if (gone.signal.aborted) return
    const response = await phases.take(readProcessingRequest(message))
    if (!gone.signal.aborted) call.write(response)
  }
  call.on('data', (message: unknown) => {
    turn = turn.then(() => answer(message)).catch(fail)
  })
  call.on('end', () => {
    over()
    void turn.then(() => call.end())
  })
  call.on('cancelled', over)
  call.on('error', over)
}
