package github

import "prumo.dev/prumo/internal/connector"

func settings() []connector.Field {
	return append(credentials(), choices()...)
}

// credentials are the settings about the system and the credential.
func credentials() []connector.Field {
	return []connector.Field{
		{
			Name: "url", Type: connector.FieldURL, Default: defaultURL,
			Label: connector.Text{"en": "Address of the API", "pt-BR": "Endereço da API", "es": "Dirección de la API"},
			Hint: connector.Text{
				"en":    "Only for GitHub Enterprise Server: https://HOST/api/v3",
				"pt-BR": "Só para o GitHub Enterprise Server: https://HOST/api/v3",
				"es":    "Solo para GitHub Enterprise Server: https://HOST/api/v3",
			},
		},
		{
			Name: "token", Type: connector.FieldSecret,
			Label: connector.Text{"en": "Access token", "pt-BR": "Token de acesso", "es": "Token de acceso"},
			Hint: connector.Text{
				"en":    "Fine-grained, read-only, of an owner of the organisation; or use a GitHub App instead",
				"pt-BR": "Granular, somente leitura, de um proprietário da organização; ou use um GitHub App",
				"es":    "Granular, solo lectura, de un propietario de la organización; o use una GitHub App",
			},
		},
		{
			Name: "app_id", Type: connector.FieldText,
			Label: connector.Text{"en": "GitHub App: client id or App id", "pt-BR": "GitHub App: client id ou id do App", "es": "GitHub App: client id o id de la App"},
			Hint:  connector.Text{"en": "As on the App's page", "pt-BR": "Como na página do App", "es": "Como en la página de la App"},
		},
		{
			Name: "private_key", Type: connector.FieldSecret, Lines: true,
			Label: connector.Text{"en": "GitHub App: private key", "pt-BR": "GitHub App: chave privada", "es": "GitHub App: clave privada"},
			Hint:  connector.Text{"en": "The PEM file that GitHub gave", "pt-BR": "O arquivo PEM que o GitHub forneceu", "es": "El archivo PEM que dio GitHub"},
		},
		{
			Name: "webhook_secret", Type: connector.FieldSecret,
			Label: connector.Text{"en": "Secret of the webhook", "pt-BR": "Segredo do webhook", "es": "Secreto del webhook"},
			Hint:  connector.Text{"en": "The same as in GitHub's webhook; without it no message is taken", "pt-BR": "O mesmo do webhook no GitHub; sem ele nenhuma mensagem é aceita", "es": "El mismo del webhook en GitHub; sin él no se acepta ningún mensaje"},
		},
		{
			Name: "organisations", Type: connector.FieldList,
			Label: connector.Text{"en": "Organisations", "pt-BR": "Organizações", "es": "Organizaciones"},
			Hint: connector.Text{
				"en":    "Empty: every one that the token's account belongs to, or that the App is installed in",
				"pt-BR": "Vazio: todas a que a conta do token pertence, ou em que o App está instalado",
				"es":    "Vacío: todas a las que pertenece la cuenta del token, o en que está instalada la App",
			},
		},
	}
}

// choices are the settings about what to read and what it means.
func choices() []connector.Field {
	return []connector.Field{
		{
			Name: "days", Type: connector.FieldInt, Default: defaultDays,
			Label: connector.Text{"en": "Days of changes to read", "pt-BR": "Dias de mudanças a ler", "es": "Días de cambios que se leen"},
			Hint:  connector.Text{"en": "Merged changes, commits and closed alerts older than this are left out", "pt-BR": "Mudanças, commits e alertas fechados mais antigos ficam de fora", "es": "Los cambios, commits y alertas cerradas más antiguos quedan fuera"},
		},
		{
			Name: "production", Type: connector.FieldMap,
			Label: connector.Text{"en": "Branches that reach production", "pt-BR": "Branches que chegam à produção", "es": "Ramas que llegan a producción"},
			Hint:  connector.Text{"en": "Repository and its branches, such as acme/web: main; empty: not known", "pt-BR": "Repositório e seus branches, como acme/web: main; vazio: não se sabe", "es": "Repositorio y sus ramas, como acme/web: main; vacío: no se sabe"},
		},
		{
			Name: "environments", Type: connector.FieldList,
			Label: connector.Text{"en": "Environments that serve real users", "pt-BR": "Ambientes que servem usuários reais", "es": "Entornos que sirven a usuarios reales"},
			Hint:  connector.Text{"en": "Names such as production; empty: not known", "pt-BR": "Nomes como production; vazio: não se sabe", "es": "Nombres como production; vacío: no se sabe"},
		},
		{
			Name: "jobs", Type: connector.FieldMap,
			Label: connector.Text{"en": "What the pipelines' jobs do", "pt-BR": "O que fazem os jobs dos pipelines", "es": "Qué hacen los trabajos de los pipelines"},
			Hint:  connector.Text{"en": "test, code-scan, dependency-scan, secret-scan or end-to-end, and the names of jobs", "pt-BR": "test, code-scan, dependency-scan, secret-scan ou end-to-end, e os nomes dos jobs", "es": "test, code-scan, dependency-scan, secret-scan o end-to-end, y los nombres de los trabajos"},
		},
		{
			Name: "bots", Type: connector.FieldList,
			Label: connector.Text{"en": "Accounts of programs", "pt-BR": "Contas de programas", "es": "Cuentas de programas"},
			Hint:  connector.Text{"en": "Apps are known; name the ordinary accounts that programs use", "pt-BR": "Apps são conhecidos; informe as contas comuns usadas por programas", "es": "Las Apps se conocen; indique las cuentas comunes que usan los programas"},
		},
		{
			Name: "requests_per_second", Type: connector.FieldInt, Default: defaultRate,
			Label: connector.Text{"en": "Requests a second", "pt-BR": "Requisições por segundo", "es": "Peticiones por segundo"},
			Hint:  connector.Text{"en": "GitHub refuses more than 15 for a while", "pt-BR": "O GitHub recusa mais de 15 por um tempo", "es": "GitHub rechaza más de 15 durante un tiempo"},
		},
		{
			Name: "tripwire_requests", Type: connector.FieldInt, Default: defaultTripwire,
			Label: connector.Text{"en": "Tripwire queries every 30 seconds", "pt-BR": "Consultas de vigia a cada 30 segundos", "es": "Consultas de vigía cada 30 segundos"},
			Hint:  connector.Text{"en": "Each looks at the protection of 50 repositories", "pt-BR": "Cada uma olha a proteção de 50 repositórios", "es": "Cada una mira la protección de 50 repositorios"},
		},
	}
}
