import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { verifierText } from '../../../../engine/evidence/index.ts'
import { trust } from './workbench.ts'

const SCRIPT = fileURLToPath(new URL('../../../../docs/verify-bundle.py', import.meta.url))

/** What the verifier in Python makes of a bundle; options in `more` take the place of the usual ones. */
export function verifyInPython(
  bundle: string,
  ...more: readonly string[]
): { readonly code: number | null; readonly said: string } {
  const keys = ['--log-key', verifierText(trust.logKey), '--export-key', verifierText(trust.exportKey)]
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
  const { status, stdout, stderr } = spawnSync('python3', [SCRIPT, bundle, ...keys, ...more], { encoding: 'utf8', env })
  return { code: status, said: `${stdout}${stderr}` }
}
