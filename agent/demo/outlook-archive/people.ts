export interface Person {
  readonly name: string
  readonly address: string
}

const givenNames = ['Anna', 'Boris', 'Clara', 'Daniel', 'Elif', 'Frank', 'Greta', 'Hugo', 'Irene', 'Jonas']
const familyNames = ['Albers', 'Brandt', 'Costa', 'Dubois', 'Eriksen', 'Fischer', 'Garcia']

/** The people of an invented company; names and addresses are made up (RFC 2606 domain). */
export const people: readonly Person[] = givenNames.flatMap((given) => familyNames.map((family) => ({
  name: `${given} ${family}`,
  address: `${given}.${family}@example.com`.toLowerCase(),
})))
