export interface PrincipalLine {
  readonly user: string
  readonly token: string
}
